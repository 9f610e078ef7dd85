package api

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/logins"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// The whole life of a login: phrase, signature, session, privilege, logout, in
// both signature kinds and all three forms of credentials.
func TestLoginFromPhraseToLogout(t *testing.T) {
	w := newWorld(t, nil)
	key := w.keys[user]
	for _, kind := range []struct {
		name string
		id   string
		sign func(string) string
		body func(id, phrase, sig string) (body, contentType string)
	}{
		{"bitcoin, JSON as text/plain", key.FluxID(), key.SignMessage, func(id, p, s string) (string, string) { return claimJSON(id, p, s), "text/plain" }},
		{"ethereum, JSON", key.EthereumAddress(), key.SignEthereum, func(id, p, s string) (string, string) { return claimJSON(id, p, s), "application/json" }},
		{"bitcoin, query string", key.FluxID(), key.SignMessage, func(id, p, s string) (string, string) {
			return url.Values{"address": {id}, "message": {p}, "signature": {s}}.Encode(), "application/x-www-form-urlencoded"
		}},
		{"ethereum in lower case", strings.ToLower(key.EthereumAddress()), key.SignEthereum, func(id, p, s string) (string, string) { return claimJSON(id, p, s), "text/plain" }},
	} {
		t.Run(kind.name, func(t *testing.T) {
			p := w.phrase()
			if len(p) != 56 || strings.Trim(p[:13], "0123456789") != "" {
				t.Fatalf("phrase %q: want 13 digits and 43 characters", p)
			}
			sig := kind.sign(p)
			body, ct := kind.body(kind.id, p, sig)
			a := w.request("POST", "/id/verifylogin", body, "Content-Type: "+ct)
			var l map[string]string
			if err := json.Unmarshal(a.Data, &l); err != nil || a.Status != "success" {
				t.Fatalf("verifylogin: %s", a.raw)
			}
			if l["message"] != "Successfully logged in" || l["zelid"] != kind.id || l["loginPhrase"] != p || l["signature"] != sig || l["privilage"] != "user" {
				t.Errorf("verifylogin answered %v", l)
			}
			created, err := time.Parse("2006-01-02T15:04:05.000Z", l["createdAt"])
			if err != nil || time.Since(created) > time.Minute {
				t.Errorf("createdAt %q: %v", l["createdAt"], err)
			}
			if ends, _ := time.Parse("2006-01-02T15:04:05.000Z", l["expireAt"]); ends.Sub(created) != permissions.SessionLife {
				t.Errorf("session ends %v after its start, want %v", ends.Sub(created), permissions.SessionLife)
			}
			if a := w.request("POST", "/id/verifylogin", body); a.message() != "Signed message is no longer valid. Please request a new one." {
				t.Errorf("the phrase was good for a second login: %s", a.raw)
			}
			for form, headers := range map[string][]string{
				"query string": {"zelidauth: " + header(kind.id, p, sig)},
				"JSON":         {"zelidauth: " + claimJSON(kind.id, p, sig)},
				"plain":        {"zelid: " + kind.id, "signature: " + sig, "loginPhrase: " + p},
			} {
				a := w.request("GET", "/id/loggedsessions", "", headers...)
				var sessions []map[string]string
				if err := json.Unmarshal(a.Data, &sessions); err != nil || len(sessions) == 0 || sessions[len(sessions)-1]["loginPhrase"] != p || len(sessions[0]) != 4 {
					t.Errorf("%s: loggedsessions answered %s", form, a.raw)
				}
			}
			if a := w.request("POST", "/id/checkprivilege", body); kind.name != "bitcoin, query string" && a.message() != "user" {
				t.Errorf("checkprivilege answered %s", a.raw)
			}
			auth := "zelidauth: " + header(kind.id, p, sig)
			if a := w.request("GET", "/id/logoutcurrentsession", "", auth); a.message() != "Successfully logged out" {
				t.Errorf("logout answered %s", a.raw)
			}
			a = w.request("GET", "/id/loggedsessions", "", auth)
			if strings.Contains(string(a.Data), p) || a.Status != "success" {
				t.Errorf("after the logout: %s", a.raw) // a young phrase still admits to level user
			}
		})
	}
}

// Of many logins with one phrase at one time, one succeeds.
func TestPhraseIsGoodForOneOfManyLogins(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phrase()
	body := claimJSON(w.keys[user].FluxID(), p, w.keys[user].SignMessage(p))
	answers := make(chan string, 20)
	for range cap(answers) {
		go func() {
			a, err := w.try("POST", "/id/verifylogin", body)
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- a.Status
		}()
	}
	won := 0
	for range cap(answers) {
		switch s := <-answers; s {
		case "success":
			won++
		case "error":
		default:
			t.Error(s)
		}
	}
	if n, err := w.store.Count(t.Context(), store.LoggedUsers, nil); won != 1 || n != 1 || err != nil {
		t.Errorf("%d logins, %d sessions, %v; want one", won, n, err)
	}
}

// An Ethereum owner has the rights in any letter case of the address; sessions
// belong to the address as it was written.
func TestEthereumOwnerInAnyCase(t *testing.T) {
	key, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	sum, lower := key.EthereumAddress(), strings.ToLower(key.EthereumAddress())
	w := newWorld(t, func(_ *Config, pc *permissions.Config) { pc.Admin = lower })
	for _, id := range []string{sum, lower} {
		p := w.phrase()
		sig := key.SignEthereum(p)
		a := w.request("POST", "/id/verifylogin", claimJSON(id, p, sig))
		if !strings.Contains(string(a.Data), `"privilage":"admin"`) || !strings.Contains(string(a.Data), `"zelid":"`+id+`"`) {
			t.Errorf("%s: %s", id, a.raw)
		}
		a = w.request("GET", "/id/loggedsessions", "", "zelidauth: "+header(id, p, sig))
		if strings.Count(string(a.Data), `"zelid":"`+id+`"`) != 1 || strings.Count(string(a.Data), "zelid") != 1 {
			t.Errorf("sessions of %s: %s", id, a.raw)
		}
		if a := w.request("GET", "/id/loggedusers", "", "zelidauth: "+header(id, p, sig)); a.Status != "success" {
			t.Errorf("%s isn't admin: %s", id, a.raw)
		}
	}
}

func TestPrivilegeOfEveryIdentity(t *testing.T) {
	w := newWorld(t, nil)
	for n, want := range map[who]string{user: "user", appOwner: "user", fluxTeam: "fluxteam", support: "fluxteam", admin: "admin"} {
		w.as(n)
		q, _ := url.ParseQuery(w.auth[n])
		body := claimJSON(q.Get("zelid"), q.Get("loginPhrase"), q.Get("signature"))
		if a := w.request("POST", "/id/checkprivilege", body); a.message() != want || a.Status != "success" {
			t.Errorf("%s: %s, want %s", n, a.raw, want)
		}
	}
	w.request("GET", "/id/logoutallusers", "", w.as(admin)...)
	q, _ := url.ParseQuery(w.auth[admin])
	if a := w.request("POST", "/id/checkprivilege", claimJSON(q.Get("zelid"), q.Get("loginPhrase"), q.Get("signature"))); a.message() != "user" {
		t.Errorf("an admin without a session is %s, want user", a.raw)
	}
	if a := w.request("GET", "/id/loggedusers", "", w.as(admin)...); a.code != http.StatusUnauthorized {
		t.Errorf("an admin without a session: %d %s", a.code, a.raw)
	}
}

func TestEveryLogout(t *testing.T) {
	w := newWorld(t, nil)
	first, second := w.login(user), w.login(user)
	phraseOf := func(auth string) string { q, _ := url.ParseQuery(auth); return q.Get("loginPhrase") }
	sessions := func() string {
		return string(w.request("GET", "/id/loggedsessions", "", "zelidauth: "+first).Data)
	}
	for range 2 { // the other's phrase ends the other's session, and only once
		a := w.request("POST", "/id/logoutspecificsession", `{"loginPhrase":"`+phraseOf(second)+`"}`, w.as(otherOwner)...)
		if strings.Contains(sessions(), phraseOf(second)) {
			t.Fatalf("the session is still there after %s", a.raw)
		}
	}
	a := w.request("POST", "/id/logoutspecificsession", `{"loginPhrase":"`+phraseOf(second)+`"}`, w.as(user)...)
	if a.Status != "warning" || a.message() != "Specified user was already logged out" {
		t.Errorf("unknown phrase: %s", a.raw)
	}
	if a := w.request("POST", "/id/logoutspecificsession", `{"loginPhrase":{"$ne":""}}`, w.as(user)...); a.Status != "error" {
		t.Errorf("a nested phrase: %s", a.raw)
	}
	if !strings.Contains(sessions(), phraseOf(first)) {
		t.Fatal("a session ended that nobody ended")
	}
	if a := w.request("GET", "/id/logoutallsessions", "", "zelidauth: "+first); a.message() != "Successfully logged out all sessions" || sessions() != "[]" {
		t.Errorf("logoutallsessions: %s, then %s", a.raw, sessions())
	}
	before := string(w.request("GET", "/id/loggedusers", "", w.as(admin)...).Data)
	if !strings.Contains(before, w.keys[otherOwner].FluxID()) {
		t.Errorf("loggedusers lacks a session: %s", before)
	}
	w.request("GET", "/id/logoutallusers", "", w.as(admin)...)
	if n, err := w.store.Count(t.Context(), store.LoggedUsers, nil); err != nil || n != 0 {
		t.Errorf("%d sessions after logoutallusers, %v", n, err)
	}
}

func TestSessionsSurviveARestartOfTheService(t *testing.T) {
	w := newWorld(t, nil)
	auth := w.login(admin)
	next := newWorld(t, func(ac *Config, pc *permissions.Config) {
		pc.Admin = w.keys[admin].FluxID()
		*pc = permissions.Config{Admin: pc.Admin, Records: recordsOf(w), Owners: pc.Owners, Now: pc.Now}
	})
	if a := next.request("GET", "/id/loggedusers", "", "zelidauth: "+auth); a.Status != "success" {
		t.Errorf("after a restart: %s", a.raw)
	}
}

// Wrong, expired, replayed, truncated, oversized and nested input gets the
// documented text, and stores nothing.
func TestBadLoginsAreRefusedAndStoreNothing(t *testing.T) {
	w := newWorld(t, nil)
	key := w.keys[user]
	id, p := key.FluxID(), w.phrase()
	sig := key.SignMessage(p)
	aged := func(d time.Duration) string {
		return formatPhrase(time.Now().Add(-d)) + strings.Repeat("y", 43)
	}
	const (
		gone    = "Signed message is no longer valid. Please request a new one."
		notOK   = "Signed message is not valid"
		badSig  = "Invalid signature"
		noID    = "No Flux ID is specified"
		badID   = "Flux ID is not valid"
		noMsg   = "No message is specified"
		noSig   = "No signature is specified"
		another = "1Lbcfr7sAHTD9CgdQo3HTMTkV8LK4ZnX71"
	)
	for name, c := range map[string]struct{ body, want string }{
		"empty":                          {"", noID},
		"empty object":                   {"{}", noID},
		"null":                           {"null", noID},
		"a number":                       {"5", noID},
		"an array":                       {"[]", noID},
		"garbage":                        {"not-json", noID},
		"cut JSON":                       {claimJSON(id, p, sig)[:40], noID},
		"bracketed names":                {"zelid[$ne]=x&loginPhrase[$gt]=&signature=x", noID},
		"no id":                          {`{"loginPhrase":"` + p + `","signature":"` + sig + `"}`, noID},
		"id null":                        {`{"zelid":null}`, noID},
		"id is zero":                     {`{"zelid":0}`, noID},
		"id is a number":                 {`{"zelid":5}`, badID},
		"id nested":                      {`{"zelid":{"$gt":""}}`, badID},
		"id a t1 address":                {claimJSON("t1LUs6quf7TB2zVZmexqPQdnqmrFMGZGjV6", p, sig), badID},
		"id a 3 address":                 {claimJSON("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", p, sig), badID},
		"id with a bad character":        {claimJSON("1O0l", p, sig), badID},
		"id short":                       {claimJSON("1abc", p, sig), badID},
		"id oversized":                   {claimJSON("1"+strings.Repeat("a", 100000), p, sig), badID},
		"id half an ethereum one":        {claimJSON("0xabc", p, sig), badID},
		"id with a bad checksum":         {claimJSON(id[:len(id)-1]+flip(id[len(id)-1]), p, sig), badSig},
		"no phrase":                      {`{"zelid":"` + id + `","signature":"x"}`, noMsg},
		"phrase nested":                  {`{"zelid":"` + id + `","loginPhrase":{"$gt":""},"signature":"x"}`, notOK},
		"phrase short":                   {claimJSON(id, "123", sig), notOK},
		"phrase too old":                 {claimJSON(id, aged(16*time.Minute), sig), notOK},
		"phrase of the future":           {claimJSON(id, aged(-time.Minute), sig), notOK},
		"phrase without digits":          {claimJSON(id, strings.Repeat("z", 56), sig), notOK},
		"phrase oversized":               {claimJSON(id, p+strings.Repeat("z", 100000), sig), notOK},
		"phrase truncated":               {claimJSON(id, p[:55], key.SignMessage(p[:55])), gone},
		"phrase not issued here":         {claimJSON(id, aged(time.Second), key.SignMessage(aged(time.Second))), gone},
		"no signature":                   {`{"zelid":"` + id + `","loginPhrase":"` + p + `"}`, noSig},
		"signature garbage":              {claimJSON(id, p, "abc"), badSig},
		"signature nested":               {`{"zelid":"` + id + `","loginPhrase":"` + p + `","signature":["x"]}`, badSig},
		"signature truncated":            {claimJSON(id, p, sig[:80]), badSig},
		"signature oversized":            {claimJSON(id, p, strings.Repeat("A", 100000)), badSig},
		"signature of another":           {claimJSON(another, p, sig), badSig},
		"signature of other text":        {claimJSON(id, p, key.SignMessage(p+"x")), badSig},
		"ethereum id, bitcoin signature": {claimJSON(key.EthereumAddress(), p, sig), badSig},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.request("POST", "/id/verifylogin", c.body)
			if a.Status != "error" || a.message() != c.want || a.code != http.StatusOK {
				t.Errorf("%d %s, want %q", a.code, a.raw, c.want)
			}
		})
	}
	if n, err := w.store.Count(t.Context(), store.LoggedUsers, nil); err != nil || n != 0 {
		t.Errorf("%d sessions were stored, %v", n, err)
	}
	if n, err := w.store.Count(t.Context(), store.ActiveLoginPhrases, nil); err != nil || n != 1 {
		t.Errorf("%d phrases are stored, want the one issued, %v", n, err)
	}
	if a := w.request("POST", "/id/verifylogin", claimJSON(id, p, sig)); a.Status != "success" {
		t.Errorf("after all that the right login fails: %s", a.raw)
	}
}

func formatPhrase(t time.Time) string {
	raw, _ := json.Marshal(t.UnixMilli())
	return string(raw)
}

// flip returns another base58 character.
func flip(c byte) string {
	if c == '2' {
		return "3"
	}
	return "2"
}

func TestBadCredentialsAreRefusedWithOneText(t *testing.T) {
	w := newWorld(t, nil)
	key := w.keys[admin]
	id, p := key.FluxID(), ""
	auth := w.login(admin)
	q, _ := url.ParseQuery(auth)
	p, sig := q.Get("loginPhrase"), q.Get("signature")
	old := formatPhrase(time.Now().Add(-17*time.Hour)) + strings.Repeat("q", 43)
	undated := strings.Repeat("q", 56)
	for name, headers := range map[string][]string{
		"none":                   nil,
		"empty":                  {"zelidauth: "},
		"garbage":                {"zelidauth: garbage"},
		"JSON array":             {"zelidauth: []"},
		"JSON number":            {"zelidauth: 5"},
		"JSON cut":               {`zelidauth: {"zelid":"` + id},
		"JSON with a name twice": {`zelidauth: {"zelid":"x",` + claimJSON(id, p, sig)[1:]},
		"JSON in other letters":  {"zelidauth: " + strings.Replace(claimJSON(id, p, sig), "zelid", "ZelID", 1)},
		"JSON and more":          {"zelidauth: " + claimJSON(id, p, sig) + "{}"},
		"JSON nested":            {`zelidauth: {"zelid":{"$ne":""},"loginPhrase":{"$ne":""},"signature":{"$ne":""}}`},
		"no signature":           {"zelidauth: zelid=" + id + "&loginPhrase=" + p},
		"twice the same name":    {"zelidauth: " + auth + "&zelid=" + id},
		"two headers":            {"zelidauth: " + auth, "zelidauth: " + auth},
		"plus not escaped":       {"zelidauth: zelid=" + id + "&loginPhrase=" + p + "&signature=" + strings.ReplaceAll(sig[:10], "+", "") + "++" + sig[12:]},
		"another's signature":    {"zelidauth: " + header(id, p, w.keys[user].SignMessage(p))},
		"another's id":           {"zelidauth: " + header(w.keys[user].FluxID(), p, sig)},
		"old phrase, no session": {"zelidauth: " + header(id, old, key.SignMessage(old))},
		"phrase without a time":  {"zelidauth: " + header(id, undated, key.SignMessage(undated))},
		"plain, one missing":     {"zelid: " + id, "signature: " + sig},
		"oversized":              {"zelidauth: " + header(id, strings.Repeat("1", 20000), sig)},
	} {
		t.Run(name, func(t *testing.T) {
			a := w.request("GET", "/id/loggedsessions", "", headers...)
			want := `{"status":"error","data":{"code":401,"name":"Unauthorized","message":"Unauthorized. Access denied."}}`
			if a.code != http.StatusUnauthorized || string(a.raw) != want {
				t.Errorf("%d %s", a.code, a.raw)
			}
		})
	}
}

// A young phrase of another node is good for level user and, for two hours, for
// the application levels; never for admin or team.
func TestPhraseWithoutSession(t *testing.T) {
	w := newWorld(t, nil)
	sign := func(n who, age time.Duration) string {
		p := formatPhrase(w.clock.now().Add(-age)) + strings.Repeat("w", 43)
		return "zelidauth: " + header(w.keys[n].FluxID(), p, w.keys[n].SignMessage(p))
	}
	for _, c := range []struct {
		path string
		n    who
		age  time.Duration
		want bool
	}{
		{"/id/loggedsessions", user, 15 * time.Hour, true},
		{"/id/loggedsessions", user, 17 * time.Hour, false},
		{"/id/loggedsessions", user, -time.Minute, false},
		{"/apps/applog/" + ownedApp, appOwner, time.Hour, true},
		{"/apps/applog/" + ownedApp, appOwner, 3 * time.Hour, false},
		{"/apps/applog/" + ownedApp, admin, time.Hour, true},
		{"/apps/applog/" + ownedApp, admin, 3 * time.Hour, false},
		{"/id/loggedusers", admin, time.Minute, false},
		{"/daemon/ping", fluxTeam, time.Minute, false},
	} {
		a := w.request("GET", c.path, "", sign(c.n, c.age))
		if got := a.code != http.StatusUnauthorized; got != c.want {
			t.Errorf("%s as %s with a phrase of %v: admitted=%v, want %v", c.path, c.n, c.age, got, c.want)
		}
	}
}

func TestOperatorMayGiveUpAppManagement(t *testing.T) {
	w := newWorld(t, func(_ *Config, pc *permissions.Config) { pc.OperatorMayManageApps = false })
	for n, want := range map[who]bool{admin: false, fluxTeam: true, appOwner: true} {
		a := w.request("GET", "/apps/applog/"+ownedApp, "", w.as(n)...)
		if got := a.code != http.StatusUnauthorized; got != want {
			t.Errorf("%s admitted=%v, want %v", n, got, want)
		}
	}
}

// Sign-In with Ethereum (EIP-4361): the text carries the phrase.
func TestSignInWithEthereum(t *testing.T) {
	w := newWorld(t, nil)
	key := w.keys[user]
	text := func(domain, nonce, statement string, issued time.Time, more string) string {
		if statement != "" {
			statement += "\n"
		}
		return domain + " wants you to sign in with your Ethereum account:\n" + key.EthereumAddress() + "\n\n" + statement +
			"\nURI: https://node.example\nVersion: 1\nChain ID: 1\nNonce: " + nonce + "\nIssued At: " + issued.UTC().Format(time.RFC3339) + more
	}
	now := time.Now()
	good := func(p string) string { return text("node.example", p, "", now, "") }
	for name, c := range map[string]struct {
		text func(p string) string
		want string
	}{
		"phrase as nonce":     {good, ""},
		"phrase as statement": {func(p string) string { return text("node.example", "abcdefgh1", "Log in to the node: "+p, now, "") }, ""},
		"another domain":      {func(p string) string { return text("evil.example", p, "", now, "") }, "Signed message is not valid"},
		"issued tomorrow":     {func(p string) string { return text("node.example", p, "", now.Add(24*time.Hour), "") }, "Signed message is not valid"},
		"expired": {func(p string) string {
			return text("node.example", p, "", now.Add(-time.Hour), "\nExpiration Time: "+now.Add(-10*time.Minute).UTC().Format(time.RFC3339))
		}, "Signed message is not valid"},
		"no phrase in it": {func(string) string { return text("node.example", "abcdefgh1", "", now, "") }, "Signed message is not valid"},
		"cut":             {func(p string) string { return good(p)[:120] }, "Signed message is not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			msg := c.text(w.phrase())
			sig := key.SignEthereum(msg)
			a := w.request("POST", "/id/verifylogin", claimJSON(key.EthereumAddress(), msg, sig))
			if c.want != "" {
				if a.Status != "error" || !strings.HasPrefix(a.message(), c.want) {
					t.Errorf("%s, want %q", a.raw, c.want)
				}
				return
			}
			if a.Status != "success" {
				t.Fatalf("%s", a.raw)
			}
			for form, headers := range map[string][]string{
				"query string": {"zelidauth: " + header(key.EthereumAddress(), msg, sig)},
				"JSON":         {"zelidauth: " + claimJSON(key.EthereumAddress(), msg, sig)},
				"plain":        {"zelid: " + key.EthereumAddress(), "signature: " + sig, "loginPhrase: " + url.PathEscape(msg)},
			} {
				if a := w.request("GET", "/id/loggedsessions", "", headers...); a.Status != "success" {
					t.Errorf("%s: %s", form, a.raw)
				}
			}
		})
	}
	// The signature of one address over a text that names another.
	other, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	msg := good(w.phrase())
	if a := w.request("POST", "/id/verifylogin", claimJSON(other.EthereumAddress(), msg, other.SignEthereum(msg))); a.message() != "Invalid signature" {
		t.Errorf("a text for another address: %s", a.raw)
	}
}

// frames reads what a socket sends until it is closed.
func frames(t *testing.T, ws *websocket.Conn) (texts []string, closed int) {
	t.Helper()
	ws.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		_, raw, err := ws.ReadMessage()
		if err != nil {
			if ce, ok := err.(*websocket.CloseError); ok {
				return texts, ce.Code
			}
			t.Fatalf("socket ended without a close frame: %v", err)
		}
		texts = append(texts, string(raw))
	}
}

func (w *world) dial(path string) *websocket.Conn {
	w.t.Helper()
	ws, _, err := websocket.DefaultDialer.Dial(w.ws+path, nil)
	if err != nil {
		w.t.Fatalf("dial %s: %v", path, err)
	}
	w.t.Cleanup(func() { ws.Close() })
	return ws
}

func TestSocketTellsOfTheLogin(t *testing.T) {
	w := newWorld(t, nil)
	p := w.phrase()
	ws := w.dial("/ws/id/" + p)
	id, sig := w.keys[admin].FluxID(), w.keys[admin].SignMessage(p)
	if a := w.request("POST", "/id/verifylogin", claimJSON(id, p, sig)); a.Status != "success" {
		t.Fatal(string(a.raw))
	}
	texts, code := frames(t, ws)
	if code != 4012 || len(texts) != 2 {
		t.Fatalf("%d frames, closed with %d: %q", len(texts), code, texts)
	}
	var env struct {
		Status string
		Data   map[string]string
	}
	if err := json.Unmarshal([]byte(texts[0]), &env); err != nil || env.Status != "success" {
		t.Fatalf("first frame %q: %v", texts[0], err)
	}
	q, err := url.ParseQuery(texts[1])
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]string{"message": "Successfully logged in", "zelid": id, "loginPhrase": p, "signature": sig, "privilage": "admin"} {
		if env.Data[k] != want || q.Get("data["+k+"]") != want {
			t.Errorf("%s: %q and %q, want %q", k, env.Data[k], q.Get("data["+k+"]"), want)
		}
	}
	if !strings.HasPrefix(texts[1], "status=success&data%5Bmessage%5D=Successfully%20logged%20in&data%5Bzelid%5D=") {
		t.Errorf("second frame %q", texts[1])
	}
	// A minute later the signature can't be fetched any more.
	w.clock.forward(61 * time.Second)
	texts, _ = frames(t, w.dial("/ws/id/"+p))
	if strings.Contains(texts[0], sig[:20]) || !strings.Contains(texts[0], p) {
		t.Errorf("a minute after the login: %s", texts[0])
	}
}

func TestSocketOfAGonePhrase(t *testing.T) {
	w := newWorld(t, nil)
	for _, p := range []string{strings.Repeat("1", 56), "short", w.phrase()} {
		if len(p) == 56 && p[0] != '1' {
			t.Fatal("unexpected phrase")
		}
		if strings.Trim(p, "1") != "" && p != "short" {
			w.clock.forward(16 * time.Minute)
		}
		texts, code := frames(t, w.dial("/ws/id/"+p))
		if code != websocket.CloseNormalClosure || len(texts) != 2 || !strings.Contains(texts[0], "no longer valid") {
			t.Errorf("%s: %d %q", p, code, texts)
		}
	}
}

func TestSocketTellsOfAProvidedSignature(t *testing.T) {
	w := newWorld(t, nil)
	id := w.keys[user].FluxID()
	msg := "please sign this text for me, it is number 1234567890123"
	ws := w.dial("/ws/sign/" + id + "1234567890123")
	a := w.request("POST", "/id/providesign", claimJSON(id, msg, "any signature"))
	if a.Status != "success" || !strings.Contains(string(a.Data), `"identifier":"`+id+`1234567890123"`) || !strings.Contains(string(a.Data), `"_id":"`) {
		t.Fatalf("providesign: %s", a.raw)
	}
	texts, code := frames(t, ws)
	if code != 4015 || len(texts) != 2 || !strings.Contains(texts[0], "any signature") || !strings.Contains(texts[1], "any%20signature") {
		t.Errorf("%d %q", code, texts)
	}
	if a := w.request("POST", "/id/providesign", claimJSON(id, strings.Repeat("a specification ", 20000), "x")); a.Status != "success" {
		t.Errorf("a long message: %.200s", a.raw)
	}
	for body, want := range map[string]string{
		`{}`:                             "No Flux ID is specified",
		claimJSON(id, "hello", "x"):      "Signed message is not valid",
		`{"zelid":"` + id + `"}`:         "No message is specified",
		claimJSON("x", msg, "signature"): "Flux ID is not valid",
		claimJSON(id, msg, ""):           "No signature is specified",
	} {
		if a := w.request("POST", "/id/providesign", body); a.message() != want {
			t.Errorf("%s: %s, want %q", body, a.raw, want)
		}
	}
}

func TestSocketPathsThatAreRefused(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/ws/id/" + w.phrase() + "?x=1", "/ws/unknown/x", "/WS/id/x", "/ws/ID/x", "/ws/id"} {
		ws, res, err := websocket.DefaultDialer.Dial(w.ws+path, nil)
		if err == nil {
			ws.Close()
			t.Errorf("%s was accepted", path)
			continue
		}
		if res == nil || res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %v %v", path, res, err)
		}
	}
	if a := w.request("GET", "/ws/id/x", ""); a.code != http.StatusBadRequest || a.Status != "error" {
		t.Errorf("without an upgrade: %d %s", a.code, a.raw)
	}
}

// What a reference node answered in a whole login, replayed against ours.
func TestGoldenLoginShapes(t *testing.T) {
	raw, err := os.ReadFile("testdata/auth-transcript.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Steps []struct {
			Note    string
			Request struct {
				Method, Path, Body string
				Headers            map[string]string
			}
			Response struct{ Body json.RawMessage }
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, nil)
	compared := 0
	for _, st := range golden.Steps {
		rule, ok := goldenErrors[st.Note]
		if !ok {
			continue
		}
		var headers []string
		for k, v := range st.Request.Headers {
			headers = append(headers, k+": "+v)
		}
		a := w.request(st.Request.Method, st.Request.Path, st.Request.Body, headers...)
		want := string(st.Response.Body)
		if rule != "" {
			want = rule
		}
		var x, y any
		if json.Unmarshal(a.raw, &x) != nil || json.Unmarshal([]byte(want), &y) != nil || !equalJSON(x, y) {
			t.Errorf("%s: %s, want %s", st.Note, a.raw, want)
		}
		compared++
	}
	if compared != len(goldenErrors) {
		t.Errorf("compared %d steps, want %d", compared, len(goldenErrors))
	}
}

// goldenErrors are the steps whose answer depends on nothing but the request,
// and our answer where it differs on purpose.
var goldenErrors = map[string]string{
	"errors: empty body":                                     "",
	"errors: JSON number":                                    "",
	"errors: JSON array":                                     "",
	"errors: no zelid":                                       "",
	"errors: zelid starts with t":                            "",
	"errors: zelid with a bad character":                     "",
	"errors: zelid too short":                                "",
	"errors: zelid starts with 0 but is no ethereum address": "",
	"errors: zelid not a string":                             "",
	"errors: no loginPhrase":                                 "",
	"errors: short loginPhrase":                              "",
	"zelidauth absent":                                       "",
	"zelidauth empty":                                        "",
	"zelidauth garbage":                                      "",
	"zelidauth JSON without signature":                       "",
	"zelidauth JSON array":                                   "",
	"zelidauth JSON number":                                  "",
	"providesign: short message":                             "",
	"providesign: empty":                                     "",
	"user: checkprivilege, missing loginPhrase":              "",
	"errors: loginPhrase is an object (operator injection)":  `{"status":"error","data":{"name":"Error","message":"Signed message is not valid"}}`,
}

func equalJSON(x, y any) bool {
	a, _ := json.Marshal(x)
	b, _ := json.Marshal(y)
	return string(a) == string(b)
}

func recordsOf(w *world) permissions.Records { return logins.Records{Store: w.store} }
