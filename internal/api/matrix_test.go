package api

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

func contractRows(t *testing.T) []contractRow {
	t.Helper()
	raw, err := os.ReadFile("testdata/routes.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []contractRow
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	if len(rows) != 486 {
		t.Fatalf("the contract has %d rows, want 486", len(rows))
	}
	return rows
}

// admitted is the literal table of who may use which level, for a request that
// names the application of appOwner.
var admitted = map[string][]who{
	"public":           {anonymous, user, appOwner, otherOwner, fluxTeam, support, admin},
	"user":             {user, appOwner, otherOwner, fluxTeam, support, admin},
	"fluxteam":         {fluxTeam, support},
	"admin":            {admin},
	"adminandfluxteam": {fluxTeam, support, admin},
	"appowner":         {appOwner},
	"appownerabove":    {appOwner, fluxTeam, support, admin},
}

// Every row of the contract is called by everybody, through a real listener.
func TestAuthorisationMatrix(t *testing.T) {
	w := newWorld(t, nil)
	calls := 0
	for _, row := range contractRows(t) {
		want, ok := admitted[row.Permission]
		if !ok {
			t.Errorf("%s: unknown level %q", row, row.Permission)
		}
		for _, n := range everybody {
			if strings.Contains(row.Path, "/logout") {
				clear(w.auth) // the call before this one ended sessions
			}
			calls++
			if got := w.admits(row, n); got != slices.Contains(want, n) {
				t.Errorf("%s, level %s: %s admitted=%v, want %v", row, row.Permission, n, got, !got)
			}
		}
		if strings.Contains(row.Path, "/logout") {
			clear(w.auth)
		}
	}
	if calls != 486*7 {
		t.Errorf("made %d calls, want %d", calls, 486*7)
	}
}

// admits calls a row and reports whether the caller got past the permission check.
func (w *world) admits(row contractRow, n who) bool {
	w.t.Helper()
	headers := w.as(n)
	path := row.fill(ownedApp, row.AppParamIn == "path")
	if row.Kind == "websocket" {
		h := http.Header{}
		conn, res, err := websocket.DefaultDialer.Dial(w.ws+path, h)
		if err == nil {
			conn.Close()
			return true
		}
		return res != nil && res.StatusCode != http.StatusUnauthorized
	}
	body := ""
	if row.Method == "POST" {
		body = `{"appname":"` + ownedApp + `"}`
	}
	a := w.request(row.Method, path, body, headers...)
	if a.code == http.StatusNotFound && strings.HasPrefix(a.message(), "Cannot ") {
		w.t.Errorf("%s: not found as %s", row, path)
	}
	refused := a.message() == "Unauthorized. Access denied."
	if refused != (a.code == http.StatusUnauthorized) {
		w.t.Errorf("%s: status %d with %s", row, a.code, a.raw)
	}
	return !refused
}

// The owner of one application has no right to another, however it is spelt.
func TestOwnersOfOtherAppsAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	for _, name := range []string{ownedApp, "ownedapp", "OWNEDAPP", "web_OwnedApp", "a_ownedAPP"} {
		row := contractRow{Method: "GET", Path: "/apps/applog/:appname?"}
		row.Path = "/apps/applog/" + name
		if !w.admits(row, appOwner) {
			t.Errorf("%s: its owner is refused", name)
		}
		if w.admits(row, otherOwner) {
			t.Errorf("%s: the owner of %s is admitted", name, otherApp)
		}
	}
	for _, name := range []string{"", ".*", "Owned.pp", "^OwnedApp$", "OwnedAp", "OwnedApp%00", "_OwnedApp_", "%5F", "OwnedApp_" + otherApp, otherApp + "_x", "a_b_OwnedApp"} {
		for _, n := range []who{appOwner, user} {
			if w.admits(contractRow{Method: "GET", Path: "/apps/applog/" + name}, n) {
				t.Errorf("%q: %s is admitted", name, n)
			}
		}
	}
}

// peerRows are the rows of the module flux that are about peers and messages.
var peerRows = []string{
	"/flux/connectedpeers", "/flux/connectedpeersinfo", "/flux/incomingconnections", "/flux/incomingconnectionsinfo", "/flux/peers/:filter?",
	"/flux/unstablenodes", "/flux/peerhistory", "/flux/topology", "/flux/networkhealth", "/flux/addpeer/:ip?", "/flux/addoutgoingpeer/:ip?",
	"/flux/removepeer/:ip?", "/flux/removeincomingpeer/:ip?", "/flux/startdiscovery", "/flux/checkcommunication",
	"/flux/broadcastmessage/:data?", "/flux/broadcastmessagetooutgoing/:data?", "/flux/broadcastmessagetoincoming/:data?",
	"/flux/broadcastmessage", "/flux/broadcastmessagetooutgoing", "/flux/broadcastmessagetoincoming",
}

// What the contract allows, the table serves: path forms, levels, caching.
func TestTableIsTheContract(t *testing.T) {
	table := make(map[string]Route)
	for _, r := range Table() {
		key := r.Method + " " + r.Path
		if _, twice := table[key]; twice {
			t.Errorf("%s is there twice", key)
		}
		table[key] = r
	}
	for _, row := range contractRows(t) {
		r, ok := table[row.String()]
		if !ok {
			t.Errorf("%s is missing", row)
			continue
		}
		if got := r.Level.String(); got != row.Permission {
			t.Errorf("%s: level %s, want %s", row, got, row.Permission)
		}
		if got := r.Cache.Seconds(); got != row.Cached {
			t.Errorf("%s: cached for %v s, want %v", row, got, row.Cached)
		}
		if r.Alias != row.AliasOf {
			t.Errorf("%s: alias of %q, want %q", row, r.Alias, row.AliasOf)
		}
		if r.Summary == "" || r.Result == "" {
			t.Errorf("%s: no summary or no result", row)
		}
		built := slices.Contains([]string{"daemon", "id", "zelid-alias", "benchmark"}, row.Module) ||
			row.Module == "flux" && !slices.Contains(peerRows, row.Path) ||
			slices.Contains([]string{"/ws/id/:loginphrase", "/ws/sign/:message"}, row.Path)
		if r.Built() != built {
			t.Errorf("%s: built=%v, want %v", row, r.Built(), built)
		}
		delete(table, row.String())
	}
	for key, r := range table {
		if !r.Own {
			t.Errorf("%s isn't in the contract", key)
		}
	}
}

// Every path form of every row reaches that row, and rows that aren't built
// say so.
func TestEveryRowAnswersUnderItsPathForms(t *testing.T) {
	w := newWorld(t, nil)
	rows := contractRows(t)
	for _, row := range rows {
		if row.Kind == "websocket" {
			continue
		}
		for _, path := range row.forms() {
			l, _ := w.server.router.find(row.Method, path)
			if l == nil {
				t.Errorf("%s: %s isn't found", row, path)
				continue
			}
			if got := l.route.Method + " " + l.route.Path; got != row.String() && !slices.ContainsFunc(rows, func(r contractRow) bool { return r.String() == got && slices.Contains(r.forms(), path) }) {
				t.Errorf("%s: %s reaches %s", row, path, got)
			}
		}
		if r := w.server.rows[mustFind(t, w, row)]; !r.Built() && row.Permission == "public" {
			a := w.request(row.Method, row.fill(ownedApp, true), "")
			if a.code != http.StatusNotImplemented || a.Status != "error" || !strings.HasPrefix(a.message(), "not built yet") {
				t.Errorf("%s: %d %s, want 501 and an error envelope", row, a.code, a.raw)
			}
		}
	}
}

func mustFind(t *testing.T, w *world, row contractRow) *Route {
	t.Helper()
	for i := range w.server.table {
		if r := &w.server.table[i]; r.Method+" "+r.Path == row.String() {
			return r
		}
	}
	t.Fatalf("%s isn't in the table", row)
	return nil
}

// forms are the spellings of a row's path: without and with optional
// parameters, in capitals, with a slash at the end, with %2F in a parameter.
func (r contractRow) forms() []string {
	short, long := r.fill(ownedApp, false), r.fill(ownedApp, true)
	forms := []string{short, long, short + "/", long + "/"}
	var capitals []string
	for seg := range strings.SplitSeq(long, "/") {
		capitals = append(capitals, strings.ToUpper(seg))
	}
	forms = append(forms, strings.Join(capitals, "/"))
	if strings.Contains(r.Path, ":") {
		forms = append(forms, strings.ReplaceAll(long, "/1", "/a%2Fb"))
	}
	return forms
}
