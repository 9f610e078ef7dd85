package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/version"
)

// The members of an OpenAPI 3.1 document that the description uses.
type (
	apiDocument struct {
		OpenAPI    string                              `json:"openapi"`
		Info       apiInfo                             `json:"info"`
		Dialect    string                              `json:"jsonSchemaDialect"`
		Servers    []map[string]string                 `json:"servers"`
		Tags       []apiTag                            `json:"tags"`
		Paths      map[string]map[string]*apiOperation `json:"paths"` // template → method → operation
		Components apiComponents                       `json:"components"`
	}
	apiInfo struct {
		Title       string            `json:"title"`
		Description string            `json:"description"`
		Version     string            `json:"version"`
		Fluxosd     string            `json:"x-fluxosd-version"`
		License     map[string]string `json:"license"`
	}
	apiTag struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	apiOperation struct {
		Tags        []string               `json:"tags"`
		Summary     string                 `json:"summary"`
		Description string                 `json:"description,omitempty"`
		OperationID string                 `json:"operationId"`
		Deprecated  bool                   `json:"deprecated,omitempty"`
		Parameters  []apiParameter         `json:"parameters,omitempty"`
		RequestBody *apiBody               `json:"requestBody,omitempty"`
		Responses   map[string]apiResponse `json:"responses"`
		Security    []map[string][]string  `json:"security,omitempty"`

		Pattern    string `json:"x-pattern"`
		Permission string `json:"x-permission"`
		Kind       string `json:"x-kind,omitempty"`
		Built      *bool  `json:"x-built,omitempty"` // only ever false
		CacheFor   int    `json:"x-cache-seconds,omitempty"`
		AliasOf    string `json:"x-alias-of,omitempty"`
		Own        bool   `json:"x-own,omitempty"`
	}
	apiParameter struct {
		Name        string              `json:"name"`
		In          string              `json:"in"`
		Required    bool                `json:"required,omitempty"`
		Description string              `json:"description,omitempty"`
		Schema      *apiSchema          `json:"schema,omitempty"`
		Content     map[string]apiMedia `json:"content,omitempty"`
	}
	apiBody struct {
		Description string              `json:"description,omitempty"`
		Required    bool                `json:"required,omitempty"`
		Content     map[string]apiMedia `json:"content"`
	}
	apiMedia struct {
		Schema *apiSchema `json:"schema,omitempty"`
	}
	apiResponse struct {
		Ref         string              `json:"$ref,omitempty"`
		Description string              `json:"description,omitempty"`
		Content     map[string]apiMedia `json:"content,omitempty"`
	}
	apiSchema struct {
		Ref         string                `json:"$ref,omitempty"`
		Type        string                `json:"type,omitempty"`
		Description string                `json:"description,omitempty"`
		Const       string                `json:"const,omitempty"`
		Enum        []string              `json:"enum,omitempty"`
		Default     any                   `json:"default,omitempty"`
		Properties  map[string]*apiSchema `json:"properties,omitempty"`
		Additional  *apiSchema            `json:"additionalProperties,omitempty"`
		Required    []string              `json:"required,omitempty"`
		MediaType   string                `json:"contentMediaType,omitempty"`
	}
	apiComponents struct {
		Schemas   map[string]*apiSchema        `json:"schemas"`
		Responses map[string]apiResponse       `json:"responses"`
		Security  map[string]apiSecurityScheme `json:"securitySchemes"`
	}
	apiSecurityScheme struct {
		Type        string `json:"type"`
		In          string `json:"in"`
		Name        string `json:"name"`
		Description string `json:"description"`
	}
)

const apiDescription = "The HTTP API of a Flux node, as fluxosd serves it.\n\n" +
	"**Answers** are one envelope, `{\"status\": …, \"data\": …}`. Read `status`: an error comes with HTTP status 200 too, " +
	"unless the operator chose otherwise (`api.error_status`). HEAD works for every GET.\n\n" +
	"**To log in**, ask `GET /id/loginphrase` for a phrase and sign it with the key of your Flux ID: a Bitcoin signed message, " +
	"or Ethereum personal_sign. Send `zelid`, `loginPhrase` and `signature` to `POST /id/verifylogin`. From then on send the " +
	"same three, percent-encoded, in the header `zelidauth: zelid=…&signature=…&loginPhrase=…`, or as three headers of those names.\n\n" +
	"**Permissions** are in `x-permission`: `public`, `user` (any Flux ID), `appowner` (the owner of the app), `appownerabove` " +
	"(the owner, the node owner or the Flux team), `admin` (the node owner), `fluxteam`, `adminandfluxteam`.\n\n" +
	"**Paths** match without regard to letter case, except those of WebSockets. `x-pattern` is the exact pattern: a segment " +
	":name? may be left out. Bodies are read as JSON or as query-string text, under any content type."

// moduleSummary returns the sentence that the description has for a tag.
func moduleSummary(tag string) string {
	switch tag {
	case "id":
		return "Login phrases, logins and sessions"
	case "zelid":
		return "The old name of /id"
	case "daemon":
		return "The chain daemon: blocks, transactions, wallet, node list"
	case "benchmark":
		return "The benchmark of this node's hardware"
	case "flux":
		return "This node: identity, peers, settings, logs, updates"
	case "explorer":
		return "The block index: addresses, balances, app messages on chain"
	case "apps":
		return "Applications: registry, installation, operation, files"
	case "backup":
		return "Backups of application volumes"
	case "ioutils":
		return "Uploads into application volumes"
	case "syncthing":
		return "The Syncthing that replicates application data"
	case "arcane":
		return "The operating system image below the node"
	case "payment":
		return "Payment requests and their confirmation"
	case "apikeys":
		return "API keys of services"
	case "ws":
		return "WebSockets: logins, signatures, payments, peers"
	case "docs":
		return "This description of the API"
	}
	return ""
}

// tagOf returns the tag of a row: its module. Both forms of the description share one.
func tagOf(rt *Route) string {
	if m := rt.Module(); m != "openapi.json" {
		return m
	}
	return "docs"
}

// describeAPI returns the table as an OpenAPI 3.1.0 document with JSON Schema
// 2020-12. The same table gives the same bytes.
//
// A path template of OpenAPI has no optional segments, so a row is described
// under its shortest form, and what could follow becomes query parameters,
// which such rows take as well. A WebSocket takes none: it has its longest form.
// Where an earlier row owns that form, the next one counts that the router
// gives to this row; a row that the router never reaches is left out.
func (s *Server) describeAPI() []byte {
	doc := apiDocument{
		OpenAPI: "3.1.0",
		Info: apiInfo{Title: "Flux node API", Description: apiDescription, Version: version.FluxOS, Fluxosd: version.Version,
			License: map[string]string{"name": "Apache License 2.0", "identifier": "Apache-2.0"}},
		Dialect:    "https://json-schema.org/draft/2020-12/schema",
		Servers:    []map[string]string{{"url": "/"}},
		Paths:      make(map[string]map[string]*apiOperation),
		Components: components(),
	}
	owned := make(map[string]bool)
	ids := make(map[string]int)
	for i := range s.table {
		rt := &s.table[i]
		forms := formsOf(rt.Path)
		if rt.Kind == Socket {
			slices.Reverse(forms)
		}
		free := slices.IndexFunc(forms, func(f pathForm) bool { return !owned[rt.Method+f.shape] })
		for _, f := range forms {
			owned[rt.Method+f.shape] = true
		}
		if free < 0 {
			continue
		}
		tag := tagOf(rt)
		if !slices.ContainsFunc(doc.Tags, func(t apiTag) bool { return t.Name == tag }) {
			doc.Tags = append(doc.Tags, apiTag{tag, moduleSummary(tag)})
		}
		op := operationOf(rt, forms[free])
		ids[op.OperationID]++
		if n := ids[op.OperationID]; n > 1 {
			op.OperationID += "_" + strconv.Itoa(n)
		}
		at := forms[free].template
		if doc.Paths[at] == nil {
			doc.Paths[at] = make(map[string]*apiOperation)
		}
		doc.Paths[at][strings.ToLower(rt.Method)] = op
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(doc) // text, numbers and maps of them always encode
	return b.Bytes()
}

// pathForm is one form of a pattern: optional segments make several.
type pathForm struct {
	template string   // as OpenAPI writes it: /apps/{name}
	shape    string   // equal for forms that match the same paths: /apps/{}
	names    []string // its parameters
}

// formsOf returns the forms of a pattern, the shortest first.
func formsOf(pattern string) []pathForm {
	var forms []pathForm
	var at pathForm
	for seg := range strings.SplitSeq(strings.Trim(pattern, "/"), "/") {
		name, isParam := strings.CutPrefix(seg, ":")
		name, optional := strings.CutSuffix(name, "?")
		if optional {
			forms = append(forms, at)
		}
		if !isParam {
			at = pathForm{at.template + "/" + name, at.shape + "/" + strings.ToLower(name), at.names}
			continue
		}
		at = pathForm{at.template + "/{" + name + "}", at.shape + "/{}", append(slices.Clone(at.names), name)}
	}
	return append(forms, at)
}

// operationOf describes one row under one of its forms.
func operationOf(rt *Route, form pathForm) *apiOperation {
	op := &apiOperation{
		Tags: []string{tagOf(rt)}, Summary: strings.TrimSuffix(rt.Summary, "."), OperationID: operationID(rt), Deprecated: rt.Deprecated,
		Responses: responsesOf(rt), Pattern: rt.Path, Permission: rt.Level.String(),
		CacheFor: int(rt.Cache / time.Second), AliasOf: rt.Alias, Own: rt.Own,
	}
	switch rt.Kind {
	case Stream:
		op.Kind = "stream"
	case File:
		op.Kind = "file"
	case Socket:
		op.Kind = "socket"
	}
	var offered []string
	for _, name := range form.names {
		i := slices.IndexFunc(rt.Params, func(p Param) bool { return p.In == InPath && p.Name == name })
		p := Path(name, "string")
		if i >= 0 {
			p = rt.Params[i]
		}
		if rt.Kind == Socket && strings.Contains(rt.Path, ":"+name+"?") {
			p.Note = strings.TrimPrefix(p.Note+"; the segment may be left out", "; ")
		}
		p.Required = true // OpenAPI knows no other path parameters
		op.Parameters = append(op.Parameters, parameterOf(p, "path"))
	}
	for _, p := range rt.Params {
		in := p.In.String()
		if p.In == InBody || (p.In == InPath && slices.Contains(form.names, p.Name)) {
			continue
		}
		if p.In == InPath {
			in = "query"
			offered = append(offered, p.Name)
		}
		op.Parameters = append(op.Parameters, parameterOf(p, in))
	}
	op.RequestBody = bodyOf(rt)
	op.Description = notesOf(rt, offered)
	if !rt.Built() {
		op.Built = new(bool)
	}
	if rt.Level != permissions.Public || rt.ByCaller {
		op.Security = []map[string][]string{{"zelidauth": {}}, {"zelid": {}, "signature": {}, "loginPhrase": {}}}
	}
	if rt.Level == permissions.Public && rt.ByCaller {
		op.Security = append(op.Security, map[string][]string{}) // or none
	}
	return op
}

// operationID names a row by its method and the static segments of its path.
func operationID(rt *Route) string {
	id := strings.ToLower(rt.Method)
	for seg := range strings.SplitSeq(strings.Trim(rt.Path, "/"), "/") {
		if !strings.HasPrefix(seg, ":") {
			id += "_" + seg
		}
	}
	return strings.Map(func(r rune) rune {
		if (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return '_'
		}
		return r
	}, id)
}

// notesOf says what the members of an operation can't. offered are the
// parameters that may be path segments as well.
func notesOf(rt *Route, offered []string) string {
	var notes []string
	if rt.Alias != "" {
		notes = append(notes, "Another name of `"+rt.Alias+"`.")
	}
	if len(offered) > 0 {
		notes = append(notes, "Path segments may carry parameters instead of the query, in the order of the pattern `"+rt.Path+"`: "+
			strings.Join(offered, ", ")+".")
	}
	if rt.ByCaller {
		notes = append(notes, "The answer depends on the caller, when there are credentials.")
	}
	if rt.Cache > 0 {
		notes = append(notes, fmt.Sprintf("A reply may be %d s old.", int(rt.Cache/time.Second)))
	}
	if rt.BodyLimit > 0 {
		notes = append(notes, fmt.Sprintf("The body has at most %d bytes.", rt.BodyLimit))
	}
	if !rt.Built() {
		notes = append(notes, "Not built yet: it answers 501.")
	}
	return strings.Join(notes, " ")
}

// parameterOf describes a parameter outside the body. Objects and arrays are
// given as JSON text.
func parameterOf(p Param, in string) apiParameter {
	out := apiParameter{Name: p.Name, In: in, Required: p.Required}
	sch := schemaOf(p)
	out.Description, sch.Description = sch.Description, ""
	if p.Type == "object" || p.Type == "array" {
		out.Content = map[string]apiMedia{"application/json": {sch}}
	} else {
		out.Schema = sch
	}
	return out
}

// schemaOf describes the values of a parameter. A default of another type is
// told in words.
func schemaOf(p Param) *apiSchema {
	sch := &apiSchema{Type: p.Type, Description: p.Note}
	switch p.Type {
	case "any":
		sch.Type = ""
	case "file":
		sch.Type, sch.MediaType = "string", "application/octet-stream"
	}
	if p.Default == "" {
		return sch
	}
	if v, ok := defaultOf(p); ok {
		sch.Default = v
	} else {
		sch.Description = strings.TrimPrefix(sch.Description+"; default: "+p.Default, "; ")
	}
	return sch
}

// defaultOf returns the default of a parameter as a JSON value of its type.
func defaultOf(p Param) (any, bool) {
	if p.Type == "string" {
		return p.Default, true
	}
	var v any
	dec := json.NewDecoder(strings.NewReader(p.Default))
	dec.UseNumber() // so that it is written as the row has it
	if dec.Decode(&v) != nil {
		return nil, false
	}
	ok := p.Type == "any"
	switch v.(type) {
	case json.Number:
		ok = ok || p.Type == "number" || p.Type == "integer"
	case bool:
		ok = ok || p.Type == "boolean"
	case map[string]any:
		ok = ok || p.Type == "object"
	case []any:
		ok = ok || p.Type == "array"
	}
	return v, ok
}

// bodyOf describes the body of a row, nil when it reads none. A name in
// parentheses is not a member: "(whole body)" is the body itself, and any other
// file stands for parts under names that the caller chooses.
func bodyOf(rt *Route) *apiBody {
	members := &apiSchema{Type: "object", Properties: make(map[string]*apiSchema)}
	body := &apiBody{}
	files, reads := false, false
	for _, p := range rt.Params {
		if p.In != InBody {
			continue
		}
		reads = true
		files = files || p.Type == "file"
		body.Required = body.Required || p.Required
		sch := schemaOf(p)
		switch {
		case p.Name == "(whole body)":
			body.Description, sch.Description = sch.Description, ""
			text := "application/x-www-form-urlencoded"
			if p.Type == "string" {
				text = "text/plain"
			}
			body.Content = map[string]apiMedia{"application/json": {sch}, text: {sch}}
			return body
		case strings.HasPrefix(p.Name, "("):
			members.Additional = sch
		default:
			members.Properties[p.Name] = sch
			if p.Required {
				members.Required = append(members.Required, p.Name)
			}
		}
	}
	switch {
	case !reads:
		return nil
	case files:
		body.Content = map[string]apiMedia{"multipart/form-data": {members}}
	default:
		body.Content = map[string]apiMedia{"application/json": {members}, "application/x-www-form-urlencoded": {members}}
	}
	return body
}

// responsesOf describes the answers of a row.
func responsesOf(rt *Route) map[string]apiResponse {
	what := rt.Result
	if what == "" {
		what = "No data"
	}
	out := map[string]apiResponse{"default": {Ref: "#/components/responses/Error"}}
	switch rt.Kind {
	case Socket:
		out["101"] = apiResponse{Description: "WebSocket: " + what}
	case Stream, File:
		out["200"] = apiResponse{Description: what, Content: map[string]apiMedia{"*/*": {}}}
	default:
		out["200"] = apiResponse{Description: what, Content: map[string]apiMedia{"application/json": {&apiSchema{
			Ref: "#/components/schemas/Envelope", Properties: map[string]*apiSchema{"data": {Description: what}},
		}}}}
	}
	if rt.Level != permissions.Public {
		out["401"] = apiResponse{Ref: "#/components/responses/Unauthorized"}
	}
	if !rt.Built() {
		out["501"] = apiResponse{Ref: "#/components/responses/NotBuilt"}
	}
	return out
}

// components are the parts that operations refer to.
func components() apiComponents {
	refusal := map[string]apiMedia{"application/json": {&apiSchema{Ref: "#/components/schemas/ErrorEnvelope"}}}
	header := func(name, what string) apiSecurityScheme { return apiSecurityScheme{"apiKey", "header", name, what} }
	return apiComponents{
		Schemas: map[string]*apiSchema{
			"Envelope": {Type: "object", Required: []string{"status"}, Description: "What every JSON answer is. With status error, data is a Message.",
				Properties: map[string]*apiSchema{
					"status": {Type: "string", Enum: []string{statusSuccess, statusWarning, statusError}},
					"data":   {Description: "any JSON value; absent when there is nothing to show"},
				}},
			"ErrorEnvelope": {Type: "object", Required: []string{"status", "data"}, Description: "The answer to a call that failed.",
				Properties: map[string]*apiSchema{
					"status": {Type: "string", Const: statusError},
					"data":   {Ref: "#/components/schemas/Message"},
				}},
			"Message": {Type: "object", Required: []string{"message"}, Description: "The data of an answer that only says something.",
				Properties: map[string]*apiSchema{
					"code":    {Description: "number or text, where the failure has one"},
					"name":    {Type: "string", Description: "class of the failure"},
					"message": {Type: "string"},
				}},
		},
		Responses: map[string]apiResponse{
			"Error":        {Description: "A call that failed; most failures come with HTTP status 200", Content: refusal},
			"Unauthorized": {Description: "The caller has not the permission that x-permission names", Content: refusal},
			"NotBuilt":     {Description: "This release does not do this yet", Content: refusal},
		},
		Security: map[string]apiSecurityScheme{
			"zelidauth":   header("zelidauth", "zelid=…&signature=…&loginPhrase=…, each percent-encoded; or a JSON object of these members"),
			"zelid":       header("zelid", "Flux ID, together with signature and loginPhrase"),
			"signature":   header("signature", "signature of the login phrase, together with zelid and loginPhrase"),
			"loginPhrase": header("loginPhrase", "the signed phrase, together with zelid and signature"),
		},
	}
}
