package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/version"
)

// describeRows returns the description of a table, parsed.
func describeRows(t *testing.T, rows []Route) map[string]any {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal((&Server{table: rows}).describeAPI(), &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// operation is one described operation.
type operation struct {
	path, method string
	op           map[string]any
}

func operations(doc map[string]any) []operation {
	var out []operation
	for path, item := range doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			out = append(out, operation{path, method, op.(map[string]any)})
		}
	}
	return out
}

func parametersOf(op map[string]any) []map[string]any {
	var out []map[string]any
	list, _ := op["parameters"].([]any)
	for _, p := range list {
		out = append(out, p.(map[string]any))
	}
	return out
}

var (
	templateName = regexp.MustCompile(`\{([^{}]*)\}`)
	statusName   = regexp.MustCompile(`^([1-5]\d\d|default)$`)
)

// TestDescriptionKeepsTheRulesOfOpenAPI checks what OpenAPI 3.1.0 demands of
// the parts that a description has.
func TestDescriptionKeepsTheRulesOfOpenAPI(t *testing.T) {
	doc := describeRows(t, Table())
	if doc["openapi"] != "3.1.0" || doc["jsonSchemaDialect"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("openapi %v, dialect %v", doc["openapi"], doc["jsonSchemaDialect"])
	}
	info := doc["info"].(map[string]any)
	if info["title"] != "Flux node API" || info["version"] != version.FluxOS || info["x-fluxosd-version"] != version.Version {
		t.Errorf("info: %v", info)
	}
	if got := info["license"].(map[string]any)["identifier"]; got != "Apache-2.0" {
		t.Errorf("license %v", got)
	}
	tags := make(map[any]bool)
	for _, tag := range doc["tags"].([]any) {
		m := tag.(map[string]any)
		if tags[m["name"]] || m["description"] == "" {
			t.Errorf("tag %v: a name of its own and a sentence are required", m)
		}
		tags[m["name"]] = true
	}
	schemes := doc["components"].(map[string]any)["securitySchemes"].(map[string]any)
	ids, shapes := make(map[any]string), make(map[string]string)
	for _, o := range operations(doc) {
		where := o.method + " " + o.path
		shape := templateName.ReplaceAllString(strings.ToLower(o.path), "{}")
		if other, taken := shapes[shape]; !strings.HasPrefix(o.path, "/") || (taken && other != o.path) {
			t.Errorf("%s: not a path, or the same as %s", where, other)
		}
		shapes[shape] = o.path
		if id := o.op["operationId"]; ids[id] != "" || id == "" {
			t.Errorf("%s: operationId %v is empty or that of %s", where, id, ids[id])
		}
		ids[o.op["operationId"]] = where
		if o.op["summary"] == "" {
			t.Errorf("%s: no summary", where)
		}
		for _, tag := range o.op["tags"].([]any) {
			if !tags[tag] {
				t.Errorf("%s: tag %v is not declared", where, tag)
			}
		}
		checkParameters(t, where, o)
		if o.op["requestBody"] != nil && o.method == "get" {
			t.Errorf("%s: GET with a body", where)
		}
		responses := o.op["responses"].(map[string]any)
		if len(responses) == 0 {
			t.Errorf("%s: no responses", where)
		}
		for status, r := range responses {
			m := r.(map[string]any)
			if !statusName.MatchString(status) || (m["$ref"] == nil && m["description"] == nil) {
				t.Errorf("%s: response %s: %v", where, status, r)
			}
		}
		security, _ := o.op["security"].([]any)
		for _, alternative := range security {
			for name := range alternative.(map[string]any) {
				if schemes[name] == nil {
					t.Errorf("%s: security scheme %s is not declared", where, name)
				}
			}
		}
	}
	checkRefs(t, doc, doc)
}

func checkParameters(t *testing.T, where string, o operation) {
	t.Helper()
	seen := make(map[string]bool)
	var inPath, inTemplate []string
	for _, m := range templateName.FindAllStringSubmatch(o.path, -1) {
		inTemplate = append(inTemplate, m[1])
	}
	for _, p := range parametersOf(o.op) {
		name, in := p["name"].(string), p["in"].(string)
		if seen[in+name] {
			t.Errorf("%s: %s parameter %s is there twice", where, in, name)
		}
		seen[in+name] = true
		if !slices.Contains([]string{"path", "query", "header"}, in) {
			t.Errorf("%s: %s is in %q", where, name, in)
		}
		if in == "path" {
			inPath = append(inPath, name)
			if p["required"] != true {
				t.Errorf("%s: path parameter %s is not required", where, name)
			}
		}
		if (p["schema"] == nil) == (p["content"] == nil) {
			t.Errorf("%s: %s needs either a schema or a content", where, name)
		}
	}
	if diff := cmp.Diff(inTemplate, inPath); diff != "" {
		t.Errorf("%s: parameters of template and list differ:\n%s", where, diff)
	}
}

// checkRefs walks the document: references resolve, types are those of JSON
// Schema, defaults are of their type, required members exist.
func checkRefs(t *testing.T, doc map[string]any, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			checkRefs(t, doc, e)
		}
	case map[string]any:
		if ref, ok := v["$ref"].(string); ok {
			var at any = doc
			for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
				m, _ := at.(map[string]any)
				at = m[part]
			}
			if at == nil {
				t.Errorf("%s leads nowhere", ref)
			}
		}
		if typ, ok := v["type"].(string); ok {
			def, given := v["default"]
			fits := map[string]bool{"apiKey": true}
			_, fits["string"] = def.(string)
			_, fits["boolean"] = def.(bool)
			_, fits["number"] = def.(float64)
			_, fits["integer"] = def.(float64)
			_, fits["object"] = def.(map[string]any)
			_, fits["array"] = def.([]any)
			if ok, known := fits[typ]; !known || (given && !ok) {
				t.Errorf("type %q with default %v", typ, def)
			}
		}
		if props, ok := v["properties"].(map[string]any); ok {
			required, _ := v["required"].([]any)
			for _, name := range required {
				if props[name.(string)] == nil {
					t.Errorf("required member %v is not declared", name)
				}
			}
		}
		for _, e := range v {
			checkRefs(t, doc, e)
		}
	}
}

func TestEveryRowIsDescribedOnceWithItsLevel(t *testing.T) {
	rows := Table()
	want, got := make(map[string]string), make(map[string]string)
	for i, r := range rows {
		want[r.Method+" "+r.Path] = fmt.Sprintf("%v built=%v deprecated=%v", rows[i].Level, rows[i].Built(), rows[i].Deprecated)
	}
	if len(want) != len(rows) {
		t.Errorf("the table has %d rows, %d of them different", len(rows), len(want))
	}
	for _, o := range operations(describeRows(t, rows)) {
		key := fmt.Sprintf("%s %s", strings.ToUpper(o.method), o.op["x-pattern"])
		if _, twice := got[key]; twice {
			t.Errorf("%s is described twice", key)
		}
		got[key] = fmt.Sprintf("%v built=%v deprecated=%v", o.op["x-permission"], o.op["x-built"] == nil, o.op["deprecated"] == true)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-) and description (+) differ:\n%s", diff)
	}
}

// misrouted lists the described operations that the router gives to another row.
func misrouted(t *testing.T, rows []Route) []string {
	t.Helper()
	plain, sockets := newRouter(false), newRouter(true)
	for i := range rows {
		into := plain
		if rows[i].Kind == Socket {
			into = sockets
		}
		if err := into.add(&rows[i]); err != nil {
			t.Fatal(err)
		}
	}
	var wrong []string
	for _, o := range operations(describeRows(t, rows)) {
		from := plain
		if o.op["x-kind"] == "socket" {
			from = sockets
		}
		l, _ := from.find(strings.ToUpper(o.method), templateName.ReplaceAllString(o.path, "value"))
		if l == nil || l.route.Path != o.op["x-pattern"] {
			wrong = append(wrong, fmt.Sprintf("%s %s is not %v", o.method, o.path, o.op["x-pattern"]))
		}
	}
	return wrong
}

func TestDescribedPathsReachTheirRows(t *testing.T) {
	for _, w := range misrouted(t, Table()) {
		t.Error(w)
	}
}

func TestRowsOnOnePathKeepApart(t *testing.T) {
	rows := []Route{
		{Method: "GET", Path: "/a/:b?", Level: permissions.Public},
		{Method: "GET", Path: "/A", Level: permissions.Admin}, // never reached
		{Method: "GET", Path: "/a/:c/:d?", Level: permissions.User},
		{Method: "POST", Path: "/a", Level: permissions.Admin},
		{Method: "GET", Path: "/a-/:b?", Level: permissions.Public},
	}
	got := make(map[string]any)
	ids := make(map[any]bool)
	for _, o := range operations(describeRows(t, rows)) {
		got[o.method+" "+o.path] = o.op["x-pattern"]
		ids[o.op["operationId"]] = true
	}
	want := map[string]any{"get /a": "/a/:b?", "get /a/{c}/{d}": "/a/:c/:d?", "post /a": "/a", "get /a-": "/a-/:b?"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(ids) != len(want) {
		t.Errorf("%d operations share %v", len(want), ids)
	}
	if w := misrouted(t, rows); w != nil {
		t.Error(w)
	}
}

func TestDescriptionIsTheSameEachTime(t *testing.T) {
	first := (&Server{table: Table()}).describeAPI()
	if second := (&Server{table: Table()}).describeAPI(); !bytes.Equal(first, second) {
		t.Error("two descriptions of one table differ")
	}
}

func TestOperationsSayWhatRowsDo(t *testing.T) {
	done := page("docs/index.html", "text/html")
	credentials := []any{map[string]any{"zelidauth": []any{}},
		map[string]any{"zelid": []any{}, "signature": []any{}, "loginPhrase": []any{}}}
	text := map[string]any{"type": "string"}
	tests := []struct {
		name string
		row  Route
		at   string
		want map[string]any // members of the operation
	}{
		{"all segments required", Route{Method: "GET", Path: "/m/:x", Level: permissions.Public, Handle: done, Result: "r",
			Params: []Param{Path("x", "number").Need().Says("note")}}, "/m/{x}", map[string]any{
			"x-permission": "public", "x-built": nil, "security": nil, "description": nil,
			"parameters": []any{map[string]any{"name": "x", "in": "path", "required": true, "description": "note", "schema": map[string]any{"type": "number"}}},
			"responses": map[string]any{
				"default": map[string]any{"$ref": "#/components/responses/Error"},
				"200": map[string]any{"description": "r", "content": map[string]any{"application/json": map[string]any{"schema": map[string]any{
					"$ref": "#/components/schemas/Envelope", "properties": map[string]any{"data": map[string]any{"description": "r"}}}}}},
			}}},
		{"optional segments become query parameters", Route{Method: "GET", Path: "/m/:x?/:y?", Level: permissions.Public, Handle: done,
			Params: []Param{Path("x", "string").Need(), Path("y", "boolean").Or("false"), Header("h", "string")}}, "/m", map[string]any{
			"description": "Path segments may carry parameters instead of the query, in the order of the pattern `/m/:x?/:y?`: x, y.",
			"parameters": []any{map[string]any{"name": "x", "in": "query", "required": true, "schema": text},
				map[string]any{"name": "y", "in": "query", "schema": map[string]any{"type": "boolean", "default": false}},
				map[string]any{"name": "h", "in": "header", "schema": text}}}},
		{"objects are JSON text, and a default of another type is told", Route{Method: "GET", Path: "/m", Level: permissions.Public, Handle: done,
			Params: []Param{Query("o", "object").Or("[]")}}, "/m", map[string]any{
			"parameters": []any{map[string]any{"name": "o", "in": "query", "description": "default: []",
				"content": map[string]any{"application/json": map[string]any{"schema": map[string]any{"type": "object"}}}}}}},
		{"socket", Route{Method: "GET", Path: "/ws/m/:port?", Level: permissions.Public, Kind: Socket, Result: "frames",
			Params: []Param{Path("port", "integer").Or("1")}}, "/ws/m/{port}", map[string]any{
			"x-kind": "socket", "x-built": false, "description": "Not built yet: it answers 501.",
			"parameters": []any{map[string]any{"name": "port", "in": "path", "required": true, "description": "the segment may be left out",
				"schema": map[string]any{"type": "integer", "default": 1.0}}},
			"responses": map[string]any{
				"default": map[string]any{"$ref": "#/components/responses/Error"},
				"101":     map[string]any{"description": "WebSocket: frames"},
				"501":     map[string]any{"$ref": "#/components/responses/NotBuilt"},
			}}},
		{"members of the body", Route{Method: "POST", Path: "/m", Level: permissions.AppOwner, Handle: done, BodyLimit: 5, Kind: Stream, Result: "lines",
			Params: []Param{Body("a", "any").Need(), Body("b", "string")}}, "/m", map[string]any{
			"x-permission": "appowner", "security": credentials, "x-kind": "stream", "description": "The body has at most 5 bytes.",
			"requestBody": map[string]any{"required": true, "content": same("application/json", "application/x-www-form-urlencoded", map[string]any{
				"type": "object", "required": []any{"a"}, "properties": map[string]any{"a": map[string]any{}, "b": text}})},
			"responses": map[string]any{
				"default": map[string]any{"$ref": "#/components/responses/Error"},
				"401":     map[string]any{"$ref": "#/components/responses/Unauthorized"},
				"200":     map[string]any{"description": "lines", "content": map[string]any{"*/*": map[string]any{}}},
			}}},
		{"whole body", Route{Method: "POST", Path: "/m", Level: permissions.Admin, Handle: done,
			Params: []Param{Body("(whole body)", "string").Need().Says("the message")}}, "/m", map[string]any{
			"x-permission": "admin",
			"requestBody":  map[string]any{"required": true, "description": "the message", "content": same("application/json", "text/plain", text)}}},
		{"files", Route{Method: "POST", Path: "/m", Level: permissions.Admin, Handle: done,
			Params: []Param{Body("(files)", "file").Need().Says("any name")}}, "/m", map[string]any{
			"requestBody": map[string]any{"required": true, "content": map[string]any{"multipart/form-data": map[string]any{"schema": map[string]any{
				"type": "object", "additionalProperties": map[string]any{
					"type": "string", "contentMediaType": "application/octet-stream", "description": "any name"}}}}}}},
		{"marks", Route{Method: "GET", Path: "/m", Level: permissions.Public, Handle: done, ByCaller: true, Cache: 30 * time.Second,
			Alias: "/n", Deprecated: true, Own: true, Kind: File}, "/m", map[string]any{
			"x-kind": "file", "x-cache-seconds": 30.0, "x-alias-of": "/n", "deprecated": true, "x-own": true,
			"description": "Another name of `/n`. The answer depends on the caller, when there are credentials. A reply may be 30 s old.",
			"security":    append(slices.Clone(credentials), map[string]any{})}},
		{"no level", Route{Method: "GET", Path: "/m", Handle: done}, "/m", map[string]any{
			"x-permission": permissions.Nobody.String(), "security": credentials}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := operations(describeRows(t, []Route{tt.row}))
			if len(all) != 1 || all[0].path != tt.at || all[0].op["x-pattern"] != tt.row.Path {
				t.Fatalf("got %v, want one operation at %s", all, tt.at)
			}
			for member, want := range tt.want {
				if diff := cmp.Diff(want, all[0].op[member]); diff != "" {
					t.Errorf("%s (-want +got):\n%s", member, diff)
				}
			}
		})
	}
}

// same is a content of two media types with one schema.
func same(a, b string, schema any) map[string]any {
	return map[string]any{a: map[string]any{"schema": schema}, b: map[string]any{"schema": schema}}
}

// ownFiles asks a running server for what its own rows serve, by path.
func ownFiles(t *testing.T) map[string]Raw {
	t.Helper()
	w := newWorld(t, nil)
	files := make(map[string]Raw)
	for _, r := range (&Server{}).ownRoutes() {
		if !r.Own || r.Level != permissions.Public {
			t.Errorf("%s: own=%v level=%v", r.Path, r.Own, r.Level)
		}
		a := w.request("GET", r.Path, "")
		if a.code != http.StatusOK {
			t.Fatalf("%s answered %d", r.Path, a.code)
		}
		files[r.Path] = Raw{ContentType: a.header.Get("Content-Type"), Body: a.raw}
	}
	return files
}

func TestDocsAreServedWithTheirContentTypes(t *testing.T) {
	want := map[string]string{"/openapi.json": "application/json", "/docs": "text/html", "/docs/app.js": "text/javascript", "/docs/style.css": "text/css"}
	got := make(map[string]string)
	for path, f := range ownFiles(t) {
		typ, params, err := mime.ParseMediaType(f.ContentType)
		if err != nil || params["charset"] != "utf-8" || len(f.Body) == 0 {
			t.Errorf("%s: %q, %d bytes: %v", path, f.ContentType, len(f.Body), err)
		}
		got[path] = typ
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestDocsNeedNothingElse keeps the page fit for a strict content security
// policy: own files alone, nothing inline, no markup made from data.
func TestDocsNeedNothingElse(t *testing.T) {
	files := ownFiles(t)
	used := make(map[string]bool)
	html := string(files["/docs"].Body)
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		if _, own := files[m[1]]; !own && !strings.HasPrefix(m[1], "#") && m[1] != "data:," {
			t.Errorf("the page refers to %s", m[1])
		}
		used[m[1]] = true
	}
	if !used["/docs/app.js"] || !used["/docs/style.css"] {
		t.Errorf("the page refers to %v only", used)
	}
	refuse := map[string]string{
		"/docs":           `(?i)<style|\sstyle=|\son\w+=|<script(>|\s[^>]*>[^<])|https?://`,
		"/docs/app.js":    `(?i)innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|import\(|https?://`,
		"/docs/style.css": `(?i)url\(|@import|https?://`,
	}
	for path, pattern := range refuse {
		if bad := regexp.MustCompile(pattern).Find(files[path].Body); bad != nil {
			t.Errorf("%s has %q", path, bad)
		}
	}
	fetched := regexp.MustCompile(`fetch\("([^"]*)"`).FindAllSubmatch(files["/docs/app.js"].Body, -1)
	if len(fetched) != 1 || string(fetched[0][1]) != "/openapi.json" {
		t.Errorf("the script fetches %q on its own", fetched)
	}
}
