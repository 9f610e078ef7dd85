package permissions

import (
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestZelidauthForms(t *testing.T) {
	want := Credentials{FluxID: "1id", Text: "phrase", Signature: "a+b/c="}
	for _, header := range []string{
		"zelid=1id&signature=a%2Bb%2Fc%3D&loginPhrase=phrase",
		`{"zelid":"1id","signature":"a+b/c=","loginPhrase":"phrase"}`,
		` {"loginPhrase":"phrase","signature":"a+b/c=","zelid":"1id","other":[1]}`,
	} {
		if got, err := ParseZelidauth(header); err != nil || got != want {
			t.Errorf("%s: %+v %v", header, got, err)
		}
	}
	if _, err := ParseZelidauth(""); !errors.Is(err, ErrNoCredentials) {
		t.Errorf("no header: %v", err)
	}
}

func FuzzZelidauth(f *testing.F) {
	for _, s := range []string{
		"", "{}", "[]", "5", "zelid=1&signature=2&loginPhrase=3", `{"zelid":"a","loginPhrase":"b","signature":"c"}`,
		`{"zelid":{"$ne":1},"loginPhrase":"b","signature":"c"}`, "zelid=1&zelid=2&signature=2&loginPhrase=3", "%zz", "zelid[$ne]=1", strings.Repeat("a=b&", 5000),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := ParseZelidauth(header)
		if err != nil {
			return
		}
		if c.check() != nil {
			t.Errorf("%q gave %+v", header, c)
		}
		again, err := ParseZelidauth(url.Values{"zelid": {c.FluxID}, "signature": {c.Signature}, "loginPhrase": {c.Text}}.Encode())
		if len(header) < maxHeader/3 && (err != nil || again != c) {
			t.Errorf("%+v doesn't survive a round trip: %+v %v", c, again, err)
		}
	})
}

func TestAppOf(t *testing.T) {
	for name, want := range map[string]string{"": "", "app": "app", "web_app": "app", "a_b_c": "b_c", "_app": "app", "app_": ""} {
		if got := AppOf(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

func TestZeroLevelAdmitsNobody(t *testing.T) {
	s := &Service{admin: "1admin", team: []string{"1team"}, now: time.Now}
	for _, id := range []Identity{{}, {FluxID: "1admin", Session: true}, {FluxID: "1team", Session: true}} {
		for _, level := range []Level{Nobody, AppOwnerAbove + 1, 255} {
			if s.Allow(t.Context(), level, id, "app") == nil {
				t.Errorf("level %v admits %+v", level, id)
			}
		}
	}
	if s.Allow(t.Context(), Admin, Identity{FluxID: "", Session: true}, "") == nil {
		t.Error("an empty identity is admin")
	}
}

func TestLevelNames(t *testing.T) {
	want := []string{"nobody", "public", "user", "fluxteam", "admin", "adminandfluxteam", "appowner", "appownerabove", "level(8)"}
	for i, name := range want {
		if got := Level(i).String(); got != name {
			t.Errorf("level %d is %s, want %s", i, got, name)
		}
	}
}

func TestPhrasesAreRandomAndDated(t *testing.T) {
	now := time.UnixMilli(1795317969795)
	seen := make(map[string]bool)
	for range 1000 {
		p := newPhrase(now)
		at, ok := phraseTime(p)
		if len(p) != 56 || !ok || !at.Equal(now) || strings.Trim(p, "0123456789abcdefghijklmnopqrstuvwxyz") != "" || seen[p] {
			t.Fatalf("phrase %q of %v", p, at)
		}
		seen[p] = true
	}
	for _, p := range []string{"", "123", "12345678901x3", "+1795317969795", " 795317969795", "１７９５３１７９６９７９５"} {
		if _, ok := phraseTime(p); ok {
			t.Errorf("%q has a time", p)
		}
	}
}
