package place

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ipAPI is an answer of the first provider, nodeStats one of the second.
const (
	ipAPI = `{"status":"success","continent":"Europe","continentCode":"EU","country":"Germany","countryCode":"DE","region":"HE",` +
		`"regionName":"Hesse","lat":50.1109,"lon":8.6821,"isp":"Hetzner","org":"Hetzner Online GmbH","proxy":false,"hosting":true,"query":"198.18.1.1"}`
	nodeStats = `{"status":"success","data":{"ip":"198.18.1.1","continent":"Europe","continentCode":"EU","country":"Germany","countryCode":"DE",` +
		`"region":"HE","regionName":"Hesse","lat":50.1109,"lon":8.6821,"org":"Hetzner Online GmbH","static":true,"dataCenter":true}}`
	// shown is the data of GET /flux/geolocation for both.
	shown = `{"ip":"198.18.1.1","continent":"Europe","continentCode":"EU","country":"Germany","countryCode":"DE",` +
		`"region":"HE","regionName":"Hesse","lat":50.1109,"lon":8.6821,"org":"Hetzner Online GmbH","static":true,"dataCenter":true}`
)

func TestProvidersAnswersBecomeTheShownRecord(t *testing.T) {
	for name, body := range map[string]string{"ip-api.com": ipAPI, "fluxlocation": nodeStats, "without an envelope": shown} {
		g, err := parseGeo([]byte(body), ip(addrA))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := json.Marshal(g)
		if err != nil || string(got) != shown {
			t.Errorf("%s: got %s, %v\nwant %s", name, got, err, shown)
		}
	}
}

func TestGeolocationRules(t *testing.T) {
	for _, c := range []struct {
		name         string
		from, to     string // replaced in ipAPI
		org          string
		static, data bool
	}{
		{name: "hosting", org: "Hetzner Online GmbH", static: true, data: true},
		{name: "org falls back to isp", from: `"org":"Hetzner Online GmbH"`, to: `"org":" "`, org: "Hetzner", static: true, data: true},
		{name: "no org at all", from: `"org":"Hetzner Online GmbH",`, org: "Hetzner", static: true, data: true},
		{name: "neither", from: `"hosting":true`, to: `"hosting":false`, org: "Hetzner Online GmbH"},
		{name: "proxy", from: `"proxy":false,"hosting":true`, to: `"proxy":true,"hosting":false`, org: "Hetzner Online GmbH", static: true},
		{name: "said outright", from: `"proxy":false`, to: `"static":false,"dataCenter":false`, org: "Hetzner Online GmbH"},
		{name: "null members", from: `"proxy":false`, to: `"static":null,"dataCenter":null`, org: "Hetzner Online GmbH", static: true, data: true},
	} {
		g, err := parseGeo([]byte(strings.Replace(ipAPI, c.from, c.to, 1)), ip(addrA))
		if err != nil || g.Org != c.org || g.Static != c.static || g.DataCenter != c.data {
			t.Errorf("%s: got %q, static %v, data centre %v, %v", c.name, g.Org, g.Static, g.DataCenter, err)
		}
	}
}

func TestHostileProvidersAreRefused(t *testing.T) {
	swap := func(from, to string) string {
		if !strings.Contains(ipAPI, from) {
			t.Fatalf("no %s in the sample", from)
		}
		return strings.Replace(ipAPI, from, to, 1)
	}
	for _, c := range []struct{ name, body, want string }{
		{"nothing", "", "no JSON object"},
		{"HTML", "<!DOCTYPE html><html></html>", "no JSON object"},
		{"a list", "[" + ipAPI + "]", "no JSON object"},
		{"a text", `"success"`, "no JSON object"},
		{"two objects", ipAPI + ipAPI, "no JSON object"},
		{"half of one", ipAPI[:len(ipAPI)/2], "no JSON object"},
		{"NaN", swap("50.1109", "NaN"), "no JSON object"},
		{"not UTF-8", swap("Hesse", "H\xffsse"), "no JSON object"},
		{"deep", strings.Repeat(`{"data":`, 20000) + "1" + strings.Repeat("}", 20000), "no JSON object"},
		{"null", "null", "without coordinates"},
		{"a failure", `{"status":"fail","message":"reserved range"}`, `status "fail"`},
		{"an error envelope", `{"status":"error","data":{"message":"no"}}`, `status "error"`},
		{"a status that is none", swap(`"success"`, "1"), "no JSON object"},
		{"a number as a text", swap("50.1109", `"50.1109"`), "wrong type"},
		{"a text as a number", swap(`"Germany"`, "49"), "wrong type"},
		{"a flag as a text", swap(`"hosting":true`, `"hosting":"yes"`), "wrong type"},
		{"infinite", swap("50.1109", "1e999"), "wrong type"},
		{"outside the globe", swap("50.1109", "90.5"), "coordinates"},
		{"outside the globe, lon", swap("8.6821", "-181"), "coordinates"},
		{"no coordinates", swap(`"lat":50.1109,`, ""), "coordinates"},
		{"another address", swap("198.18.1.1", "198.18.1.2"), "answered about"},
		{"no address", swap("198.18.1.1", "you"), "answered about"},
		{"10 kB country", swap("Germany", strings.Repeat("G", 10000)), "country that is no name"},
		{"control characters", swap("Hesse", `Hes\u0000se`), "regionName that is no name"},
		{"escape sequence", swap("Hetzner Online GmbH", `\u001b[2J`), "org that is no name"},
		{"text that turns round", swap("Hetzner Online GmbH", `\u202egnp.exe`), "org that is no name"},
		{"markup", swap("Hetzner Online GmbH", `<script src=x>`), "org that is no name"},
		{"newline", swap(`"HE"`, `"H\nE"`), "region that is no name"},
		{"long country code", swap(`"DE"`, `"DEU"`), "countryCode"},
		{"small country code", swap(`"DE"`, `"de"`), "countryCode"},
		{"no continent code", swap(`"EU"`, `""`), "continentCode"},
	} {
		g, err := parseGeo([]byte(c.body), ip(addrA))
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 2*textLimit {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		if g != (Geolocation{}) {
			t.Errorf("%s: an error came with %+v", c.name, g)
		}
	}
}

func FuzzParseGeo(f *testing.F) {
	for _, s := range []string{ipAPI, nodeStats, shown, "null", `{"data":{}}`, `{"status":"fail"}`, `{"lat":1e308,"lon":-0}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		g, err := parseGeo(body, ip(addrA))
		if err != nil {
			return
		}
		for _, s := range []string{g.Continent, g.Country, g.Region, g.RegionName, g.Org} {
			if !isName(s) {
				t.Errorf("took %q", s)
			}
		}
		out, err := json.Marshal(g)
		if err != nil || g.IP != addrA || !isCode(g.CountryCode) || !isCode(g.ContinentCode) {
			t.Fatalf("took %+v: %v", g, err)
		}
		again, err := parseGeo(out, ip(addrA))
		if err != nil {
			t.Fatalf("refuses its own record %s: %v", out, err)
		}
		if diff := cmp.Diff(g, again); diff != "" {
			t.Error(diff)
		}
	})
}
