package api

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/config"
)

// read returns the whole file of the configuration.
func (w *world) read() string {
	w.t.Helper()
	raw, err := os.ReadFile(w.file)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(raw)
}

// settingRows are the rows that show what the adjust rows change.
var settingRows = []string{"/flux/kadena", "/flux/routerip", "/flux/apiport", "/flux/blockedports", "/flux/blockedrepositories"}

// settings are the settings as they are served, past the reply cache.
func (w *world) settings() map[string]string {
	w.t.Helper()
	out := make(map[string]string)
	for _, row := range settingRows {
		a := w.request("GET", row, "", "X-Apicache-Bypass: 1")
		if a.Status != "success" {
			w.t.Fatalf("%s: %s", row, a.raw)
		}
		out[row] = string(a.Data)
	}
	return out
}

// adjusted is a world in which every setting has a value, and a file with comments.
func adjusted(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, nil)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/flux/adjustkadena/k:before/1", ""},
		{"GET", "/flux/adjustrouterip/192.168.7.1", ""},
		{"GET", "/flux/adjustapiport/16137", ""},
		{"POST", "/flux/adjustblockedports", `{"blockedPorts":[1,65535]}`},
		{"POST", "/flux/adjustblockedrepositories", `{"blockedRepositories":["before/"]}`},
	} {
		if a := w.request(c.method, c.path, c.body, w.as(admin)...); a.Status != "success" {
			t.Fatalf("%s: %s", c.path, a.raw)
		}
	}
	return w
}

// Texts that say what is allowed, or for what isn't there, what is missing.
const (
	chainAllowed   = "Allowed are 0 to 20."
	accountAllowed = "Allowed are 1 to 256 characters"
	routerAllowed  = "Allowed is an IPv4 address such as 192.168.1.1, or nothing."
	portAllowed    = "Allowed are 16127, 16137, 16147, 16157, 16167, 16177, 16187 and 16197."
	portsAllowed   = "allowed are whole numbers from 1 to 65535"
	portInRange    = "allowed are 1 to 65535"
	atMost         = "at most 1000"
	noPorts        = "Missing Blocked Ports Information."
	textsAllowed   = `allowed are texts, such as ["docker.io/library"]`
	namesAllowed   = "1 to 255 letters, digits and . _ - : / @"
	noNames        = "Missing Blocked Repositories Information."
)

type badInput struct{ path, body, want string }

// badInputs are calls of all adjust rows with what they must not take. Those
// with a body are POST.
func badInputs() []badInput {
	var out []badInput
	get := func(path, want string, values ...string) {
		for _, v := range values {
			out = append(out, badInput{path + url.PathEscape(v), "", want})
		}
	}
	post := func(path, member, want string, values ...string) {
		for _, v := range values {
			out = append(out, badInput{path, fmt.Sprintf(`{%q:%s}`, member, v), want})
		}
	}
	list := func(item string, n int) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	nested := strings.Repeat("[", 5000) + strings.Repeat("]", 5000)

	get("/flux/adjustkadena", "No Kadena Account provided", "")
	get("/flux/adjustkadena/k:abc", "No Kadena Chain ID provided", "")
	get("/flux/adjustkadena/k:abc/", chainAllowed, "21", "-1", "-0", "1.5", "1e1", "01", " 0", "0 ", "+1", "0x1", "１", "99999999999999999999", "0\x00", "0\nx", "null", "[1]",
		"true", "0&a=1", `": #'`, strings.Repeat("9", 3000))
	for _, account := range []string{"a b", "k:a?chainid=3", "a\nb: c", "a\x00b", `": #'`, `":#'`, "k:a#b", "../../etc/passwd", `..\..`, "a\u202eb", "a\tb", "a\u00a0\u2028b", "<script>", "%s%n",
		strings.Repeat("k", 257), strings.Repeat("é", 2000)} {
		out = append(out, badInput{"/flux/adjustkadena/" + url.PathEscape(account) + "/0", "", accountAllowed})
	}
	out = append(out, badInput{"/flux/adjustkadena?account=a%20b&chainid=0", "", accountAllowed}, badInput{"/flux/adjustkadena?account=a&chainid=twenty", "", chainAllowed})

	get("/flux/adjustrouterip/", routerAllowed, "300.1.1.1", "1.2.3", "1.2.3.4.5", "::1", "fe80::1", "::ffff:10.0.0.1", "0.0.0.0", "0.1.2.3", "240.1.1.1", "169.254.1.1", "127.0.0.1", "224.0.0.1", "255.255.255.255",
		"192.168.1.1/24", "192.168.1.1 ", "192.168.1.1:80", "router.local", "\x00", "192.168.1.1\nnode:", "010.0.0.1", "0xC0A80101", "3232235777", "1e3", "[192.168.1.1]", "null", "-1",
		`": #'`, "../../etc/passwd", "１92.168.1.1", strings.Repeat("1", 3000))

	get("/flux/adjustapiport", portAllowed, "")
	get("/flux/adjustapiport/", portAllowed, "1", "16128", "16127 ", " 16127", "+16127", "016127", "16127.0", "1.6127e4", "-16127", "0x3EFF", "16127\n", "16127\x00", "99999999999999999999",
		"null", "[16127]", "１６１２７", "1e3", `": #'`, "16127,16137", "16127/..", "true")

	out = append(out, badInput{"/flux/adjustblockedports", " ", noPorts}, badInput{"/flux/adjustblockedports", "{}", noPorts}, badInput{"/flux/adjustblockedports", "[80]", noPorts},
		badInput{"/flux/adjustblockedports", `{"blockedPorts":[80`, noPorts}, badInput{"/flux/adjustblockedports", "blockedPorts=80,81", portsAllowed},
		badInput{"/flux/adjustblockedports", "blockedPorts=", portsAllowed}, badInput{"/flux/adjustblockedports", "blockedPorts=[NaN]", portsAllowed},
		badInput{"/flux/adjustblockedports", `{"blockedports":[80]}`, noPorts})
	post("/flux/adjustblockedports", "blockedPorts", noPorts, "null")
	post("/flux/adjustblockedports", "blockedPorts", portsAllowed, "80", "true", `""`, `"80"`, `"[80"`, `"null"`, `"[80]x"`, "{}", `{"0":80}`, "[1.5]", "[1e3]", "[80.0]", `["80"]`, "[null]", "[80,null]", "[[80]]",
		`[{"port":80}]`, "[true]", "[99999999999999999999]", "[1e400]", `["\u0000"]`, `["80\nnode:"]`, `[": #'"]`, nested, `"[\"80\"]"`, `"\"[80]\""`)
	post("/flux/adjustblockedports", "blockedPorts", portInRange, "[0]", "[-1]", "[65536]", "[80,0]", `"[0]"`, "[-0]")
	post("/flux/adjustblockedports", "blockedPorts", atMost, list("80", 1001), list("80", 10_000))

	out = append(out, badInput{"/flux/adjustblockedrepositories", " ", noNames}, badInput{"/flux/adjustblockedrepositories", `["a/"]`, noNames},
		badInput{"/flux/adjustblockedrepositories", "blockedRepositories=a,b", textsAllowed}, badInput{"/flux/adjustblockedrepositories", `{"blockedRepositories":`, noNames})
	post("/flux/adjustblockedrepositories", "blockedRepositories", noNames, "null")
	post("/flux/adjustblockedrepositories", "blockedRepositories", textsAllowed, "80", "true", `"a/"`, `"[a/]"`, "{}", `{"0":"a/"}`, "[80]", "[1.5]", "[null]", `["a/",null]`, `[["a/"]]`, `[{"name":"a/"}]`, "[true]", nested)
	post("/flux/adjustblockedrepositories", "blockedRepositories", namesAllowed, `[""]`, `["a b"]`, `["a,b"]`, `["a\nb: c"]`, `["a\u0000"]`, `["\": #'"]`, `["../../etc/passwd"]`, `["a/../b"]`, `["a//b"]`,
		`["\u202ea"]`, `["é"]`, `["a\\b"]`, `["-a"]`, `["#a"]`, `["&a"]`, `["*a"]`, `["!a"]`, `["{a"]`, `["a/","\t"]`, `["`+strings.Repeat("a", 256)+`"]`, `["\ud800"]`, `"[\"a b\"]"`)
	post("/flux/adjustblockedrepositories", "blockedRepositories", atMost, list(`"a/"`, 1001), list(`"a/"`, 10_000))

	get("/flux/adjustcruxid?cruxid=", "No Crux ID provided", "")
	get("/flux/adjustcruxid?cruxid=", "Nothing has to be set instead.", "me@flux.crux", `": #'`)
	return out
}

// What is malformed is refused with words that help, and nothing changes.
func TestAdjustRowsRefuseWhatIsMalformed(t *testing.T) {
	w := adjusted(t)
	file, served := w.read(), w.settings()
	cases := badInputs()
	for _, c := range cases {
		method := "GET"
		if c.body != "" {
			method = "POST"
		}
		a := w.request(method, c.path, c.body, w.as(admin)...)
		name := fmt.Sprintf("%.80s %.80q", c.path, c.body)
		if a.Status != "error" || !strings.Contains(a.message(), c.want) {
			t.Errorf("%s: %.300s, want an error with %q", name, a.raw, c.want)
		}
		if len(a.message()) > 400 || strings.ContainsAny(a.message(), "\n\x00") {
			t.Errorf("%s: the message repeats what came: %.100q", name, a.message())
		}
		if got := w.read(); got != file {
			t.Fatalf("%s changed the file (-was +is):\n%s", name, cmp.Diff(file, got))
		}
	}
	if diff := cmp.Diff(served, w.settings()); diff != "" {
		t.Errorf("settings changed (-was +are):\n%s", diff)
	}
	if len(cases) < 150 {
		t.Errorf("only %d cases", len(cases))
	}
}

func TestAdjustBodiesAreBounded(t *testing.T) {
	w := adjusted(t)
	file, served := w.read(), w.settings()
	for path, member := range map[string]string{"/flux/adjustblockedports": "blockedPorts", "/flux/adjustblockedrepositories": "blockedRepositories"} {
		a := w.request("POST", path, `{"`+member+`":["`+strings.Repeat("a", 2<<20)+`"]}`, w.as(admin)...)
		if a.code != 413 || a.Status != "error" || !strings.Contains(a.message(), "larger than the 1048576 bytes") {
			t.Errorf("%s: %d %.200s", path, a.code, a.raw)
		}
	}
	if got := w.read(); got != file {
		t.Errorf("the file changed:\n%s", got)
	}
	if diff := cmp.Diff(served, w.settings()); diff != "" {
		t.Errorf("settings changed:\n%s", diff)
	}
}

// What is good is in the file, which loads with it and keeps its comments, and
// is served at once although the rows' replies are cached for a day.
func TestAdjustRowsChangeFileAndAnswers(t *testing.T) {
	w := newWorld(t, nil)
	for _, row := range settingRows {
		if a := w.request("GET", row, ""); a.Status != "success" {
			t.Fatalf("%s: %s", row, a.raw) // and now it is cached
		}
	}
	repositories := func(c *config.Config) any { return c.Node.BlockedRepositories }
	ports := func(c *config.Config) any { return c.Node.BlockedPorts }
	router := func(c *config.Config) any { return c.Node.RouterIP.IsValid() }
	kadena := func(c *config.Config) any { return c.Node.Kadena }
	for _, c := range []struct {
		method, path, body string
		by                 who
		message            string
		row, served        string
		held               func(*config.Config) any
		want               any
	}{
		{"GET", "/flux/adjustkadena/k:0123abcd/20", "", admin, "Kadena account adjusted", "/flux/kadena", `"kadena:k:0123abcd?chainid=20"`, kadena, "kadena:k:0123abcd?chainid=20"},
		{"GET", "/flux/adjustkadena?account=w:x:keys-all&chainid=0", "", admin, "Kadena account adjusted", "/flux/kadena", `"kadena:w:x:keys-all?chainid=0"`, kadena, "kadena:w:x:keys-all?chainid=0"},
		{"GET", "/flux/adjustkadena/%C3%A9*!{[|/7", "", admin, "Kadena account adjusted", "/flux/kadena", `"kadena:é*!{[|?chainid=7"`, kadena, "kadena:é*!{[|?chainid=7"},
		{"GET", "/flux/adjustrouterip/192.168.1.254", "", admin, "Router IP adjusted", "/flux/routerip", `"192.168.1.254"`, router, true},
		{"GET", "/flux/adjustrouterip", "", admin, "Router IP adjusted", "/flux/routerip", `""`, router, false},
		{"GET", "/flux/adjustrouterip?routerip=10.0.0.1", "", admin, "Router IP adjusted", "/flux/routerip", `"10.0.0.1"`, router, true},
		{"GET", "/flux/adjustapiport/16197", "", admin, "API Port adjusted. A restart of FluxOS is necessary", "/flux/apiport", "16197",
			func(c *config.Config) any { return c.API.Listen + " " + c.API.TLSListen }, ":16197 :16198"},
		{"POST", "/flux/adjustblockedports", `{"blockedPorts":[27017,5432]}`, admin, "User Blocked Ports adjusted", "/flux/blockedports", "[27017,5432]", ports, []int{27017, 5432}},
		{"POST", "/flux/adjustblockedports", "blockedPorts=[1,65535]", fluxTeam, "User Blocked Ports adjusted", "/flux/blockedports", "[1,65535]", ports, []int{1, 65535}},
		{"POST", "/flux/adjustblockedports", `{"blockedPorts":"[8080]"}`, support, "User Blocked Ports adjusted", "/flux/blockedports", "[8080]", ports, []int{8080}},
		{"POST", "/flux/adjustblockedports", `{"blockedPorts":[]}`, admin, "User Blocked Ports adjusted", "/flux/blockedports", "[]", ports, []int(nil)},
		{"POST", "/flux/adjustblockedrepositories", `{"blockedRepositories":["evil/","ghcr.io/x/y:latest"]}`, fluxTeam, "User Blocked Repositories adjusted", "/flux/blockedrepositories",
			`["evil/","ghcr.io/x/y:latest"]`, repositories, []string{"evil/", "ghcr.io/x/y:latest"}},
		{"POST", "/flux/adjustblockedrepositories", `{"blockedRepositories":["null","1e3","yes","0x10","2001-01-01"]}`, admin, "User Blocked Repositories adjusted", "/flux/blockedrepositories",
			`["null","1e3","yes","0x10","2001-01-01"]`, repositories, []string{"null", "1e3", "yes", "0x10", "2001-01-01"}},
		{"POST", "/flux/adjustblockedrepositories", `{"blockedRepositories":[]}`, admin, "User Blocked Repositories adjusted", "/flux/blockedrepositories", "[]", repositories, []string(nil)},
	} {
		a := w.request(c.method, c.path, c.body, w.as(c.by)...)
		if a.Status != "success" || a.message() != c.message {
			t.Errorf("%s %s: %s", c.path, c.body, a.raw)
		}
		if got := w.request("GET", c.row, ""); string(got.Data) != c.served {
			t.Errorf("%s %s: %s answers %s, want %s", c.path, c.body, c.row, got.raw, c.served)
		}
		cfg, err := config.Load(config.Options{File: w.file, FileRequired: true})
		if err != nil {
			t.Fatalf("%s %s: the file doesn't load: %v\n%s", c.path, c.body, err, w.read())
		}
		if diff := cmp.Diff(c.want, c.held(cfg)); diff != "" {
			t.Errorf("%s %s: the file (-want +got)\n%s\n%s", c.path, c.body, diff, w.read())
		}
		if text := w.read(); !strings.HasPrefix(text, "# kept by the test\n") || !strings.Contains(text, " # the owner\n") {
			t.Errorf("%s %s: comments are lost:\n%s", c.path, c.body, text)
		}
	}
}

// Branches are the channels of updates.
func TestBranchesAreUpdateChannels(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct{ path, message, channel string }{
		{"/flux/enterdevelopment", "Development branch successfully entered", "development"},
		{"/flux/entermaster", "Master branch successfully entered", "stable"},
	} {
		a := w.request("GET", c.path, "", w.as(fluxTeam)...)
		cfg, err := config.Load(config.Options{File: w.file, FileRequired: true})
		if err != nil {
			t.Fatal(err)
		}
		if a.Status != "success" || a.message() != c.message || cfg.Node.UpdateChannel != c.channel {
			t.Errorf("%s: %s, the file has %q", c.path, a.raw, cfg.Node.UpdateChannel)
		}
	}
	if err := os.Remove(w.file); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(w.file, 0o700); err != nil {
		t.Fatal(err)
	}
	a := w.request("GET", "/flux/enterdevelopment", "", w.as(admin)...)
	if a.Status != "error" || !strings.HasPrefix(a.message(), "Error entering development branch of Flux: The configuration file could not be changed") {
		t.Errorf("a file that can't be written: %s", a.raw)
	}
	before := w.settings()
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/flux/adjustkadena/k:a/0", ""}, {"GET", "/flux/adjustrouterip/10.0.0.1", ""}, {"GET", "/flux/adjustapiport/16147", ""},
		{"POST", "/flux/adjustblockedports", `{"blockedPorts":[1]}`}, {"POST", "/flux/adjustblockedrepositories", `{"blockedRepositories":["a"]}`},
	} {
		if a := w.request(c.method, c.path, c.body, w.as(admin)...); a.Status != "error" || !strings.HasPrefix(a.message(), "The configuration file could not be changed: ") {
			t.Errorf("%s: %s", c.path, a.raw)
		}
	}
	if diff := cmp.Diff(before, w.settings()); diff != "" {
		t.Errorf("what isn't in the file is served:\n%s", diff)
	}
}

// Requests that arrive at the same time leave a file that has the last of each.
func TestAdjustmentsAtTheSameTime(t *testing.T) {
	w := newWorld(t, nil)
	headers := w.as(admin)
	const rounds = 20
	failed := make(chan string, 4*rounds)
	done := make(chan struct{})
	for _, call := range []func(i int) (string, string, string){
		func(i int) (string, string, string) { return "GET", fmt.Sprintf("/flux/adjustkadena/k:%d/0", i), "" },
		func(i int) (string, string, string) {
			return "GET", fmt.Sprintf("/flux/adjustrouterip/10.0.0.%d", i+1), ""
		},
		func(i int) (string, string, string) {
			return "POST", "/flux/adjustblockedports", fmt.Sprintf(`{"blockedPorts":[%d]}`, i+1)
		},
		func(i int) (string, string, string) {
			return "POST", "/flux/adjustblockedrepositories", fmt.Sprintf(`{"blockedRepositories":["r%d"]}`, i)
		},
	} {
		go func() {
			for i := range rounds {
				method, path, body := call(i)
				if a, err := w.try(method, path, body, headers...); err != nil || a.Status != "success" {
					failed <- fmt.Sprintf("%s: %s %v", path, a.raw, err)
				}
			}
			done <- struct{}{}
		}()
	}
	for range 4 {
		<-done
	}
	close(failed)
	for f := range failed {
		t.Error(f)
	}
	cfg, err := config.Load(config.Options{File: w.file, FileRequired: true})
	if err != nil {
		t.Fatal(err)
	}
	last := struct {
		Kadena, Router string
		Ports          []int
		Names          []string
	}{cfg.Node.Kadena, cfg.Node.RouterIP.String(), cfg.Node.BlockedPorts, cfg.Node.BlockedRepositories}
	got, err := json.Marshal(last)
	if want := `{"Kadena":"kadena:k:19?chainid=0","Router":"10.0.0.20","Ports":[20],"Names":["r19"]}`; err != nil || string(got) != want {
		t.Errorf("the file has %s, want %s, error %v", got, want, err)
	}
}
