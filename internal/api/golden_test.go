package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// recorded is a call of a node row as reference nodes answered it. Bodies that
// are no JSON (files, pages of errors) are left out.
type recorded struct {
	Version, Identity, Method, URL string
	Status                         int    // 0: no answer came within 3 s
	ContentType                    string `json:"content_type"`
	Request                        string
	RequestType                    string `json:"request_type"`
	Body                           json.RawMessage
}

func goldenCalls(t *testing.T) []recorded {
	t.Helper()
	f, err := os.Open("testdata/golden-node.jsonl.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []recorded
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r recorded
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// goldenCallers are the identities of the recordings.
var goldenCallers = map[string]who{"anonymous": anonymous, "user": user, "appowner": appOwner, "fluxteam": fluxTeam, "admin": admin}

// tolerated is a difference that is meant.
type tolerated struct {
	calls  []string // method and URL
	diff   string
	reason string
}

func toleratedDifferences() []tolerated {
	const info, bench = "GET /flux/info", "GET /benchmark/getbenchmarks"
	const stub = "the recorded benchmark daemon was a stub with fewer and other members; these are the real one's"
	const wallet = "members of the real chain daemon that the recorded stub lacked"
	const later = "the part that knows it isn't built yet; the member stays, null"
	const testWorld = "this test's node has SQLite, no container engine and no geolocation service; what isn't known is null"
	const pages = "errors are envelopes, not HTML pages"
	const bodies = "a body that is no JSON is read as query-string text under any content type"
	const signing = "the recorded stub signs nothing; the simulated daemon explains what is wrong with the transaction"
	const first = "authorisation is checked before anything else"
	malformed := []string{"POST /flux/checkappavailability", "POST /flux/adjustblockedports", "POST /flux/adjustblockedrepositories", "POST /benchmark/signfluxnodetransaction", "POST /flux/dosstate"}
	sign := []string{"GET /benchmark/signzelnodetransaction", "GET /benchmark/signzelnodetransaction/0100", "POST /benchmark/signfluxnodetransaction"}
	setDOS, keep, tail := []string{"POST /flux/dosstate"}, []string{"POST /flux/keepupnpportsopen"}, []string{"GET /flux/tailbenchmarkdebug"}
	list := []tolerated{
		{[]string{info}, "data.apps.fluxusage: string → null", later},
		{[]string{info}, "data.apps.fluxusage: object → null", later},
		{[]string{info}, "data.apps.resources: object → null", later},
		{[]string{info}, "data.apps.runningapps: array → null", later},
		{[]string{info}, "data.appsHashesTotal: number → null", later},
		{[]string{info}, "data.hashesPresent: number → null", later},
		{[]string{info}, "data.flux.explorerScannedHeigth: object → null", later},
		{[]string{info}, "data.flux.numberOfConnectionsIn: number → null", later},
		{[]string{info}, "data.flux.numberOfConnectionsOut: number → null", later},
		{[]string{info}, "data.flux.syncthingVersion: string → null", later},
		{[]string{info}, "data.flux.dockerVersion: string → null", testWorld},
		{[]string{info}, "data.flux.mongoDbVersion: string → null", testWorld},
		{[]string{info}, "data.geolocation: object → null", testWorld},
		{[]string{"GET /flux/geolocation"}, "data: object → null", testWorld},
		{[]string{info}, "data.flux.mongoDbVersion: added", "a member of 8.17.0, which 6.6.1 lacks"},
		{[]string{info}, "data.flux.upnp: added", "a member of 8.17.0, which 6.6.1 lacks"},
		{[]string{info}, "data.benchmark.status.flux: boolean → string", stub},
		{[]string{info}, "data.benchmark.status.systemsecure: added", stub},
		{[]string{info}, "data.daemon.info.keypoololdest: added", wallet},
		{[]string{info}, "data.daemon.info.keypoolsize: added", wallet},
		{[]string{info}, "data.daemon.info.paytxfee: added", wallet},
		{[]string{info}, "data.daemon.info.relayfee: added", wallet},
		{[]string{"GET /flux/isarcaneos"}, "data: null → boolean", "the reference left data out where the benchmark daemon doesn't say; the description has a boolean"},
		{[]string{"GET /benchmark/getstoredbenchmark"}, "envelope: error → success", "the recorded stub names no tier, so nothing was kept there"},
		{[]string{"POST /flux/checkappavailability", "POST /benchmark/signfluxnodetransaction"}, "no answer → an answer", "every request is answered"},
		{malformed, "status: 400 → 200", bodies},
		{malformed, "content type: text/html; charset=utf-8 → application/json; charset=utf-8", bodies},
		{keep, "status: 400 → 422", bodies},
		{keep, "content type: text/html; charset=utf-8 → ", bodies},
		{[]string{"GET /flux/daemondebug", "GET /flux/benchmarkdebug"}, "content type: text/html; charset=utf-8 → application/json; charset=utf-8", pages},
		{sign, "envelope: success → error", signing},
		{sign, "code: -32601 → -22", signing},
		{sign, "message: Method not found: signzelnodetransaction → TX decode failed: transaction ends too early", signing},
		{setDOS, "status: 404 → 200", first + "; without the right the answer is a refusal"},
		{setDOS, "data.code: added", first},
		{setDOS, "data.name: added", first},
		{setDOS, "code: <nil> → 401", first},
		{setDOS, "name: <nil> → Unauthorized", first},
		{setDOS, "message: Not available → Unauthorized. Access denied.", first},
	}
	for _, folder := range []string{"/opt/.zelbenchmark", "/dat/usr/lib/fluxbenchd"} {
		file := folder + "/debug.log"
		list = append(list, tolerated{tail, "message: Error obtaining Benchmark debug file: Command failed: tail -n 100 " + file +
			"\ntail: cannot open '" + file + "' for reading: No such file or directory\n → Error obtaining Benchmark debug file: stat FOLDER/none.log: no such file or directory",
			"no program is run to read a file"})
	}
	for _, member := range []string{"armboard", "eps_multithread", "eps_singlethread", "error", "speed_version", "status", "systemsecure", "time"} {
		list = append(list, tolerated{[]string{info}, "data.benchmark.bench." + member + ": added", stub}, tolerated{[]string{bench}, "data." + member + ": added", stub})
	}
	return list
}

// The rows of this node, called as the reference nodes were, give answers with
// the same members of the same types and, for errors, the same words.
func TestNodeRowsAnswerAsReferenceNodes(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		c.ErrorStatus = Compat // as recorded: refusals have HTTP status 200
		c.Host.Gateway = nobodysGateway(t)
	})
	w.address()
	known := make(map[string]bool) // call and difference → it occurred
	for _, d := range toleratedDifferences() {
		for _, c := range d.calls {
			known[c+"\t"+d.diff] = false
		}
	}
	calls := goldenCalls(t)
	for _, rec := range calls {
		caller, ok := goldenCallers[rec.Identity]
		if !ok {
			t.Fatalf("unknown identity %q", rec.Identity)
		}
		headers := w.as(caller)
		if rec.RequestType != "" {
			headers = append(slices.Clone(headers), "Content-Type: "+rec.RequestType)
		}
		a := w.request(rec.Method, rec.URL, rec.Request, headers...)
		a.raw = bytes.ReplaceAll(a.raw, []byte(w.server.host.Folder), []byte("FOLDER"))
		for _, d := range rec.differences(a) {
			key := rec.Method + " " + rec.URL + "\t" + d
			if _, ok := known[key]; ok {
				known[key] = true
				continue
			}
			t.Errorf("%s %s %q as %s, %s: %s\n%.300s", rec.Method, rec.URL, rec.Request, rec.Identity, rec.Version, d, a.raw)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		if !known[key] {
			t.Errorf("a tolerated difference doesn't occur any more: %s", key)
		}
	}
	if len(calls) < 600 {
		t.Errorf("only %d recorded calls", len(calls))
	}
}

// differences compares an answer with the recorded one.
func (r recorded) differences(a answer) (out []string) {
	differs := func(what string, want, got any) {
		if want != got {
			out = append(out, fmt.Sprintf("%s: %v → %v", what, want, got))
		}
	}
	if r.Status == 0 {
		return []string{"no answer → an answer"}
	}
	differs("status", r.Status, a.code)
	wt, gt := strings.ToLower(r.ContentType), strings.ToLower(a.header.Get("Content-Type"))
	differs("content type", wt, gt)
	if r.Body == nil {
		return out
	}
	var want, got struct {
		Status string
		Data   any
	}
	if err := json.Unmarshal(r.Body, &want); err != nil { // a page in quotes
		return append(out, "recorded body: "+err.Error())
	}
	if err := json.Unmarshal(a.raw, &got); err != nil {
		return append(out, "no envelope")
	}
	differs("envelope", want.Status, got.Status)
	if want.Status != got.Status {
		return out
	}
	shapes(&out, "data", want.Data, got.Data)
	if want.Status != "success" {
		wm, _ := want.Data.(map[string]any)
		gm, _ := got.Data.(map[string]any)
		for _, member := range []string{"code", "name", "message"} {
			differs(member, wm[member], gm[member])
		}
	}
	return out
}

// shapes compares names of members and types of values, of lists by their first items.
func shapes(out *[]string, at string, want, got any) {
	if w, g := typeOf(want), typeOf(got); w != g {
		*out = append(*out, fmt.Sprintf("%s: %s → %s", at, w, g))
		return
	}
	switch want := want.(type) {
	case map[string]any:
		got := got.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(want)) {
			if g, ok := got[name]; ok {
				shapes(out, at+"."+name, want[name], g)
			} else {
				*out = append(*out, at+"."+name+": missing")
			}
		}
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if _, ok := want[name]; !ok {
				*out = append(*out, at+"."+name+": added")
			}
		}
	case []any:
		if got := got.([]any); len(want) > 0 && len(got) > 0 {
			shapes(out, at+"[]", want[0], got[0])
		}
	}
}

func typeOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case float64:
		return "number"
	case string:
		return "string"
	case []any:
		return "array"
	}
	return "object"
}

// The test's node doesn't know where it is; one that does says it in the same
// members.
func TestGeolocationHasTheRecordedMembers(t *testing.T) {
	raw, err := json.Marshal(place.Geolocation{})
	if err != nil {
		t.Fatal(err)
	}
	var got any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, rec := range goldenCalls(t) {
		var want struct{ Data any }
		if rec.URL != "/flux/geolocation" || json.Unmarshal(rec.Body, &want) != nil || want.Data == nil {
			continue
		}
		compared++
		var out []string
		if shapes(&out, "data", want.Data, got); len(out) > 0 {
			t.Errorf("%s: %q", rec.Version, out)
		}
	}
	if compared == 0 {
		t.Error("no recorded place")
	}
}
