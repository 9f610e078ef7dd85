package spec

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// Specifications of a kind, accepted at height now.
const (
	now = 2300000

	specV1 = `{"version":1,"name":"One","description":"d","owner":"o","repotag":"a/b:1","port":31001,"enviromentParameters":["A=1"],"commands":["x"],"containerPort":80,"containerData":"/data","cpu":0.5,"ram":500,"hdd":5,"tiered":false}`
	specV3 = `{"version":3,"name":"Three","description":"d","owner":"o","repotag":"a/b:1","ports":["31001"],"domains":["x.org"],"enviromentParameters":[],"commands":[],"containerPorts":["80"],"containerData":"/data","cpu":0.5,"ram":500,"hdd":5,"tiered":true,"cpubasic":0.5,"cpusuper":1,"cpubamf":2,"rambasic":500,"ramsuper":1000,"rambamf":2000,"hddbasic":5,"hddsuper":6,"hddbamf":7,"instances":4}`
	specV5 = `{"version":5,"name":"Five","description":"d","owner":"o","compose":[{"name":"web","description":"w","repotag":"a/b:1","ports":[],"domains":[],"environmentParameters":[],"commands":[],"containerPorts":[],"containerData":"/data","cpu":0.5,"ram":500,"hdd":5,"tiered":false}],"instances":3,"contacts":[],"geolocation":[]}`
	specV7 = `{"version":7,"name":"Seven","description":"d","owner":"o","compose":[{"name":"web","description":"w","repotag":"a/b:1","ports":[31001],"domains":["x.org"],"environmentParameters":["A=1"],"commands":["x"],"containerPorts":[80],"containerData":"g:/data","cpu":0.5,"ram":500,"hdd":5,"tiered":false,"repoauth":"auth","secrets":"hidden"}],"instances":3,"contacts":["a@b"],"geolocation":["acEU"],"expire":88000,"nodes":["1.2.3.4"],"staticip":true}`
	specV8 = `{"version":8,"name":"eight","description":"d","owner":"o","compose":[{"name":"web","description":"w","repotag":"a/b:1","ports":[31001],"domains":[""],"environmentParameters":["A=1"],"commands":[],"containerPorts":[80],"containerData":"/data","cpu":0.5,"ram":500,"hdd":5,"repoauth":""}],"instances":1,"contacts":[],"geolocation":[],"expire":88000,"nodes":[],"staticip":false,"enterprise":""}`
)

func mustParse(t testing.TB, raw string) *Spec {
	t.Helper()
	s, err := Parse([]byte(raw))
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return s
}

// replaced puts to in place of from, which must be there.
func replaced(t testing.TB, in, from, to string) string {
	t.Helper()
	if strings.Count(in, from) == 0 {
		t.Fatalf("%q isn't in %s", from, in)
	}
	return strings.Replace(in, from, to, 1)
}

func TestRulesThatTheVectorsLeaveOut(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	list := func(n int, s string) string { return strings.TrimSuffix(strings.Repeat(`"`+s+`",`, n), ",") }
	for _, c := range []struct{ what, base, from, to, want string }{
		{"no name", specV8, `"eight"`, `""`, "Flux App name is empty"},
		{"name with zel", specV8, `"eight"`, `"zelapp"`, "Flux App name can not start with zel"},
		{"name with capital letters", specV8, `"eight"`, `"Zelapp"`, ""},
		{"name with a line feed", specV7, `"Seven"`, `"Seven\n"`, "Flux App name contains special characters. Only a-z, A-Z and 0-9 are allowed"},
		{"no description", specV8, `"d"`, `""`, "Description is missing"},
		{"128 emoji are 256 units", specV8, `"d"`, `"` + strings.Repeat("😀", 128) + `"`, ""},
		{"129 emoji are 258 units", specV8, `"d"`, `"` + strings.Repeat("😀", 129) + `"`, "Description is too long. Maximum of 256 characters is allowed"},
		{"no owner", specV8, `"o"`, `""`, "Missing Flux App specification parameter name and/or description and/or owner"},
		{"no component", specV8, specV8[strings.Index(specV8, `[{`) : strings.Index(specV8, `}]`)+2], `[]`, "Flux App does not have any components"},
		{"component without name", specV8, `"web"`, `""`, "Flux App component name is empty"},
		{"component name with hyphen", specV8, `"web"`, `"w-b"`, "Flux App component name contains special characters. Only a-z, A-Z and 0-9 are allowed"},
		{"long repotag", specV8, `"a/b:1"`, `"` + long(201) + `"`, "Repository is too long. Maximum of 200 characters is allowed."},
		{"long repotag v3", specV3, `"a/b:1"`, `"` + long(201) + `"`, "Repository is too long. Maximum of 200 characters is allowed"},
		{"repotag of 200", specV3, `"a/b:1"`, `"` + long(200) + `"`, ""},
		{"more container ports", specV8, `[80]`, `[80,81]`, "Ports specifications in web do not match"},
		{"long domain", specV8, `"domains":[""]`, `"domains":["` + long(254) + `"]`, "Domain " + long(254) + " is too long. Maximum of 253 characters is allowed"},
		{"domain of 253", specV8, `"domains":[""]`, `"domains":["` + long(253) + `"]`, ""},
		{"long environment", specV8, `"A=1"`, `"` + long(401) + `"`, "App component web environment " + long(401) + " is too long. Maximum of 400 characters is allowed"},
		{"21 commands v3", specV3, `"commands":[]`, `"commands":[` + list(21, "c") + `]`, "App Three commands invalid. Maximum of 20 commands allowed."},
		{"long environment v3", specV3, `"enviromentParameters":[]`, `"enviromentParameters":["` + long(401) + `"]`, "App Three environment " + long(401) + " is too long. Maximum of 400 characters is allowed"},
		{"long data v3", specV3, `"/data"`, `"/` + long(200) + `"`, "Flux App Container Data is too long. Maximum of 200 characters is allowed"},
		{"container port v1", specV1, `"containerPort":80`, `"containerPort":65536`, "Container Port 65536 is not within system limits 0-65535"},
		{"container port no number v3", specV3, `["80"]`, `["http"]`, "Container Port -1 is not within system limits 0-65535"},
		{"port no number v3", specV3, `["31001"]`, `["31001.5"]`, "Assigned port -1 is not within Flux Apps range 1-65535"},
		{"port v1", specV1, `31001`, `0`, "Assigned port 0 is not within Flux Apps range 1-65535"},
		{"fractional container port", specV8, `[80]`, `[80.5]`, "Container Ports for Flux App component web are invalid decimals"},
		{"container port null", specV8, `[80]`, `[null]`, "Container Ports for Flux App component web are invalid"},
		{"port as text", specV8, `[31001]`, `["31001"]`, "Ports for Flux App component web are invalid"},
		{"ports missing", specV8, `"ports":[31001],`, ``, "Ports for Flux App component web are invalid"},
		{"v7 nodes taken away, secrets", specV7, `["1.2.3.4"]`, `[]`, "Secrets can not be defined for non Enterprise Applications"},
		{"six contacts", specV7, `["a@b"]`, `[` + list(6, "c") + `]`, "Too many contacts defined. Maximum of 5 allowed."},
		{"long node", specV7, `"1.2.3.4"`, `"` + long(71) + `"`, "Node " + long(71) + " is too long. Maximum of 70 characters is allowed."},
		{"node of 70", specV7, `"1.2.3.4"`, `"` + long(70) + `"`, ""},
		{"negative expire", specV8, `88000`, `-1`, "Minimum expiration of application is 1 block"},
		{"fractional expire", specV8, `88000`, `1.5`, "Invalid expire. Only whole number allowed."},
		{"negative instances", specV8, `"instances":1`, `"instances":-1`, "Minimum number of instances is 1"},
		{"101 instances", specV8, `"instances":1`, `"instances":101`, "Maximum number of instances is 100"},
		{"two instances v3", specV3, `"instances":4`, `"instances":2`, "Minimum number of instances is 3"},
		{"instances as text", specV8, `"instances":1`, `"instances":"1"`, "Invalid instances. Only number allowed."},
		{"name no text", specV8, `"eight"`, `5`, "Invalid name. Only text allowed."},
		{"contacts no array", specV8, `"contacts":[]`, `"contacts":{}`, "Invalid contacts. Only array allowed."},
		{"contact no text", specV8, `"contacts":[]`, `"contacts":[1]`, "Invalid contacts. Only array of texts allowed."},
		{"command no text", specV8, `"commands":[]`, `"commands":[1]`, "Invalid commands for Flux App component web. Only array of texts allowed."},
		{"staticip no boolean", specV8, `"staticip":false`, `"staticip":"false"`, "Invalid staticip specification. Only boolean as true or false allowed."},
		{"datacenter no boolean", specV8, `"staticip":false`, `"staticip":false,"datacenter":1`, "Invalid datacenter specification. Only boolean as true or false allowed."},
		{"tiered missing", specV7, `"tiered":false,`, ``, "Invalid tiered value obtained. Only boolean as true or false allowed."},
		{"enterprise missing", specV8, `,"enterprise":""`, ``, "Missing Flux App specification parameter enterprise"},
		{"enterprise null", specV8, `"enterprise":""`, `"enterprise":null`, "Missing Flux App specification parameter enterprise"},
		{"enterprise true", specV8, `"enterprise":""`, `"enterprise":true`, "Invalid enterprise specification"},
		{"enterprise false", specV8, `"enterprise":""`, `"enterprise":false`, ""},
		{"component null", specV8, `[{"name"`, `[null,{"name"`, "Invalid Flux App Specifications"},
		{"compose missing", specV8, `"compose"`, `"composed"`, "Missing Flux App specification parameter compose"},
		{"version missing", specV8, `"version":8,`, ``, "Missing Flux App specification parameter version"},
		{"version as text", specV8, `"version":8`, `"version":"8"`, "Flux App message version specification is invalid"},
		{"version 0", specV8, `"version":8`, `"version":0`, "Flux App message version specification is invalid"},
		{"version 4.5", specV8, `"version":8`, `"version":4.5`, "Flux App message version specification is invalid"},
		{"unknown component member", specV8, `"repoauth"`, `"more":1,"repoauth"`, "Unsupported parameter for v8 app specifications in component: more"},
		{"tier values without tiers", specV1, `"tiered":false`, `"tiered":false,"cpubasic":1`, "Unsupported parameter for v1 app specifications"},
		{"cumulus ram v3", specV3, `"rambasic":500`, `"rambasic":5100`, "RAM for Cumulus badly assigned for Three"},
		{"stratus cpu v3", specV3, `"cpubamf":2`, `"cpubamf":2.05`, "CPU for Stratus badly assigned for Three"},
		{"plain disk v3", specV3, `"hdd":5`, `"hdd":0`, "SSD badly assigned for Three"},
		{"cpu 0.3 is three steps", specV1, `"cpu":0.5`, `"cpu":0.3`, ""},
		{"cpu below the step", specV1, `"cpu":0.5`, `"cpu":0`, "CPU badly assigned for One"},
		{"disk of 821", specV8, `"hdd":5`, `"hdd":821`, "Too much SSD resources assigned for eight"},
		{"disk of 820", specV8, `"hdd":5`, `"hdd":820`, ""},
		{"cpu is no number", specV8, `"cpu":0.5`, `"cpu":"0.5"`, "Invalid cpu for Flux App component web. Only number allowed."},
		{"no JSON", specV8, `{"version"`, `"version"`, "Invalid Flux App Specifications"},
		{"limits come before the version's height", replaced(t, specV7, `88000`, `5000`), `"Seven"`, `"fluxSeven"`, "Flux App name can not start with flux"},
		{"limits come before unknown members", specV8, `"eight","description":"d"`, `"fluxeight","more":1,"description":"d"`, "Flux App name can not start with flux"},
		{"unknown members come before hardware", specV8, `"hdd":5`, `"hdd":821,"more":1`, "Unsupported parameter for v8 app specifications in component: more"},
		{"types come before limits", specV8, `"eight","description":"d"`, `"fluxeight","description":1`, "Invalid description. Only text allowed."},
	} {
		t.Run(c.what, func(t *testing.T) {
			s, err := Parse([]byte(replaced(t, c.base, c.from, c.to)))
			if err == nil {
				err = s.Verify(Context{Height: now})
			}
			if got := message(t, err); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestFormattingRefusesWhatItCanNotCoerce(t *testing.T) {
	for _, c := range []struct{ what, base, from, to, want string }{
		{"no JSON", specV8, `{"version"`, `"version"`, "Missing Flux App specification parameter version"},
		{"version no number", specV8, `"version":8`, `"version":"eight"`, "Missing Flux App specification parameter version"},
		{"fractional instances", specV8, `"instances":1`, `"instances":1.5`, "Invalid instances specified"},
		{"instances below 1", specV8, `"instances":1`, `"instances":-1`, "Minimum number of instances is 1"},
		{"commands an object", specV8, `"commands":[]`, `"commands":{}`, "Flux App component web commands are invalid"},
		{"ports no list", specV8, `"ports":[31001]`, `"ports":31001`, "Ports for Flux App component web are invalid"},
		{"container ports missing", specV8, `"containerPorts":[80],`, ``, "Container Ports for Flux App component web are invalid"},
		{"component tiered as text", specV7, `"tiered":false`, `"tiered":"false"`, "Invalid tiered value obtained. Only boolean as true or false allowed."},
		{"compose no list", specV8, `"compose":[`, `"compose":1,"x":[`, "Missing Flux App specification parameter compose"},
		{"tiers missing v1", specV1, `"tiered":false`, `"tiered":true`, "Flux App was requested as tiered setup but specifications are missing"},
		{"commands v1", specV1, `"commands":["x"]`, `"commands":"x"`, "Flux App commands are invalid"},
		{"environment v1", specV1, `["A=1"]`, `"A=1"`, "Environmental parameters for Flux App are invalid"},
		{"ports v3", specV3, `["31001"]`, `31001`, "Ports for Flux App are invalid"},
		{"domains v3", specV3, `["x.org"]`, `"x.org"`, "Domains for Flux App are invalid"},
		{"container ports v3", specV3, `["80"]`, `80`, "Container Ports for Flux App are invalid"},
		{"contacts no list", specV8, `"contacts":[]`, `"contacts":"x"`, "Contacts for Flux App are invalid"},
		{"geolocation no list", specV8, `"geolocation":[]`, `"geolocation":"x"`, "Geolocation for Flux App is invalid"},
		{"nodes no list", specV8, `"nodes":[]`, `"nodes":"x"`, "Nodes for Flux App are invalid"},
		{"staticip missing", specV8, `"staticip":false,`, ``, "Invalid staticip specification. Only boolean as true or false allowed."},
	} {
		t.Run(c.what, func(t *testing.T) {
			raw := []byte(replaced(t, c.base, c.from, c.to))
			if _, err := Format(raw); message(t, err) != c.want {
				t.Errorf("got %q, want %q", message(t, err), c.want)
			}
			if _, err := Read(raw); message(t, err) != c.want {
				t.Errorf("Read: got %q, want %q", message(t, err), c.want)
			}
		})
	}
	got, err := Format([]byte(replaced(t, specV8, `"enterprise":""`, `"enterprise":{"a":1.0},"more":1,"enterprise":[ 1]`)))
	if want := replaced(t, specV8, `"enterprise":""`, `"enterprise":"[1]"`); err != nil || string(got) != want {
		t.Errorf("got %s %v, want %s", got, err, want)
	}
}

func TestTheModelIsTheSameForAllVersions(t *testing.T) {
	one := &Spec{
		Version: 1, Name: "One", Description: "d", Owner: "o", Instances: 3,
		Components: []Component{{
			Name: "One", Description: "d", Repotag: "a/b:1", Ports: []int{31001}, ContainerPorts: []int{80}, Domains: []string{},
			Environment: []string{"A=1"}, Commands: []string{"x"}, ContainerData: "/data", Hardware: Hardware{0.5, 500, 5},
		}},
	}
	three := &Spec{
		Version: 3, Name: "Three", Description: "d", Owner: "o", Instances: 4,
		Components: []Component{{
			Name: "Three", Description: "d", Repotag: "a/b:1", Ports: []int{31001}, ContainerPorts: []int{80}, Domains: []string{"x.org"},
			Environment: []string{}, Commands: []string{}, ContainerData: "/data", Hardware: Hardware{0.5, 500, 5},
			Tiered: true, Cumulus: Hardware{0.5, 500, 5}, Nimbus: Hardware{1, 1000, 6}, Stratus: Hardware{2, 2000, 7},
		}},
	}
	seven := &Spec{
		Version: 7, Name: "Seven", Description: "d", Owner: "o", Instances: 3, Contacts: []string{"a@b"}, Geolocation: []string{"acEU"},
		Expire: 88000, Nodes: []string{"1.2.3.4"}, StaticIP: true,
		Components: []Component{{
			Name: "web", Description: "w", Repotag: "a/b:1", Ports: []int{31001}, ContainerPorts: []int{80}, Domains: []string{"x.org"},
			Environment: []string{"A=1"}, Commands: []string{"x"}, ContainerData: "g:/data", Hardware: Hardware{0.5, 500, 5},
			RepoAuth: secret.New("auth"), Secrets: secret.New("hidden"),
		}},
	}
	for raw, want := range map[string]*Spec{specV1: one, specV3: three, specV7: seven} {
		if d := cmp.Diff(want, mustParse(t, raw), model); d != "" {
			t.Errorf("version %d (-want +got):\n%s", want.Version, d)
		}
	}
	eight := mustParse(t, replaced(t, specV8, `"enterprise":""`, `"datacenter":true,"enterprise":"QUJD"`))
	if !eight.Datacenter || eight.Enterprise != "QUJD" || !eight.IsEnterprise() || eight.Sealed() || eight.Version != LatestVersion {
		t.Errorf("%+v", eight)
	}
	if got := three.Total(); got != (Hardware{0.5, 500, 5}) {
		t.Errorf("total %+v", got)
	}
}

func TestVersionsCameEarlierOnDevelopmentNetworks(t *testing.T) {
	for _, c := range []struct {
		raw     string
		height  int
		dev, ok bool
	}{
		{replaced(t, specV7, "88000", "22000"), 1419999, false, false}, {replaced(t, specV7, "88000", "22000"), 1420000, false, true},
		{replaced(t, specV7, "88000", "22000"), 1390000, true, true}, {replaced(t, specV7, "88000", "22000"), 1389999, true, false},
		{replaced(t, specV8, `"instances":1`, `"instances":3`), 1921500, true, true}, {replaced(t, specV8, `"instances":1`, `"instances":3`), 1921499, true, false},
		{replaced(t, specV8, `"instances":1`, `"instances":3`), 1932380, false, true},
		{replaced(t, replaced(t, specV7, "88000", "22000"), "31001", "80"), 1390000, true, true},
		{replaced(t, replaced(t, specV3, "31001", "80"), `"x.org"`, `""`), 1389999, true, false},
	} {
		err := mustParse(t, c.raw).Verify(Context{Height: c.height, Development: c.dev})
		if (err == nil) != c.ok {
			t.Errorf("height %d, development %v: %v", c.height, c.dev, err)
		}
	}
}

func TestRulesChangeExactlyAtTheirHeights(t *testing.T) {
	components := func(n int) string {
		from, to := strings.Index(specV5, `{"name":"web"`), strings.Index(specV5, `}]`)+1
		list := make([]string, n)
		for i := range list {
			list[i] = replaced(t, specV5[from:to], `"web"`, fmt.Sprintf(`"c%d"`, i))
		}
		return specV5[:from] + strings.Join(list, ",") + specV5[to:]
	}
	expire := func(n string) string {
		return replaced(t, replaced(t, replaced(t, specV8, "88000", n), `"instances":1`, `"instances":3`), `31001`, `80`)
	}
	sevenExpire := func(n string) string { return replaced(t, specV7, "88000", n) }
	for _, c := range []struct {
		what   string
		raw    string
		height int
		want   string
	}{
		{"five components", components(5), 1299999, ""},
		{"six components before", components(6), 1299999, "Flux App has too many components"},
		{"six components", components(6), 1300000, ""},
		{"ten components", components(10), now, ""},
		{"one block before", expire("1"), 1964446, "Minimum expiration of application is 100 blocks ~ 3 hours"},
		{"one block", expire("1"), 1964447, ""},
		{"100 blocks before", sevenExpire("100"), 1630039, "Minimum expiration of application is 5000 blocks ~ 1 week"},
		{"100 blocks", sevenExpire("100"), 1630040, ""},
		{"no multiple before", sevenExpire("5001"), 1624999, "Expiration of application has to be a multiple of 1000 blocks ~ 1 day"},
		{"no multiple", sevenExpire("5001"), 1625000, ""},
		{"a year before the fork", expire("264000"), 2019999, ""},
		{"more than a year before the fork", expire("264001"), 2019999, "Maximum expiration of application is 264000 blocks ~ 1 year"},
		{"a year since the fork", expire("1056000"), 2020000, ""},
		{"two instances before", replaced(t, specV8, `"instances":1`, `"instances":2`), 2176518, "Minimum number of instances is 3"},
		{"two instances", replaced(t, specV8, `"instances":1`, `"instances":2`), 2176519, ""},
		{"a low port before", replaced(t, specV5, `"ports":[]`, `"ports":[80]`), 1419999, "Assigned port 80 is not within Flux Apps range 31000-39999"},
		{"a low port", replaced(t, specV5, `"ports":[]`, `"ports":[80]`), 1420000, "Ports specifications in web do not match"},
		{"version 5", specV5, 1142000, ""},
		{"its height comes before unknown members", replaced(t, specV5, `"version"`, `"more":1,"version"`), 1141999, "Flux apps specifications of version 5 not yet supported"},
	} {
		if got := message(t, mustParse(t, c.raw).Verify(Context{Height: c.height})); got != c.want {
			t.Errorf("%s at %d: %q, want %q", c.what, c.height, got, c.want)
		}
	}
}

func TestDataCentresAreForEnterpriseOwners(t *testing.T) {
	s := mustParse(t, replaced(t, specV8, `"enterprise"`, `"datacenter":true,"enterprise"`))
	if err := s.Verify(Context{Height: now, EnterpriseOwner: func(owner string) bool { return owner == "o" }}); err != nil {
		t.Errorf("an enterprise owner: %v", err)
	}
	if s.Verify(Context{Height: now, EnterpriseOwner: func(owner string) bool { return owner != "o" }}) == nil {
		t.Error("another owner may ask for a data centre")
	}
}

func TestPortsOfNodesAreBanned(t *testing.T) {
	for port, want := range map[int]bool{16099: false, 16100: true, 16299: true, 16300: false, 26100: true, 26299: true, 30099: true, 30100: false, 8384: true, 123: true, 80: false, 443: false} {
		if got := BannedPort(port); got != want {
			t.Errorf("port %d: %v", port, got)
		}
	}
}

func TestAnEnterpriseApplicationIsSealedUntilOpened(t *testing.T) {
	sealed := mustParse(t, replaced(t, replaced(t, specV8, `"enterprise":""`, `"enterprise":"QUJD"`), specV8[strings.Index(specV8, `[{`):strings.Index(specV8, `}]`)+2], `[]`))
	if !sealed.Sealed() || sealed.Verify(Context{Height: now}) == nil {
		t.Error("a sealed specification can be verified")
	}
	compose := specV8[strings.Index(specV8, `"compose"`) : strings.Index(specV8, `}]`)+2]
	compose = replaced(t, compose, `"repoauth":""`, `"repoauth":"user:pass"`)
	open, err := sealed.Open([]byte(`{"contacts":["a@b"],` + compose + `}`))
	if err != nil {
		t.Fatal(err)
	}
	if open.Sealed() || len(open.Components) != 1 || open.Components[0].RepoAuth.Reveal() != "user:pass" || open.Contacts[0] != "a@b" || open.Enterprise != "QUJD" {
		t.Errorf("%+v", open)
	}
	if err := open.Verify(Context{Height: now}); err != nil {
		t.Errorf("opened: %v", err)
	}
	if !sealed.Sealed() || len(sealed.Contacts) != 0 || strings.Contains(string(sealed.Canonical()), "user:pass") {
		t.Error("opening changes the sealed specification")
	}
	for _, plain := range []string{``, `[]`, `{"contacts":[]`, `{"contacts":[],"compose":5}`} {
		if _, err := sealed.Open([]byte(plain)); err == nil {
			t.Errorf("%q opens it", plain)
		}
	}
}

func TestOlderReleasesOrderedMembersInAnotherWay(t *testing.T) {
	if got, want := string(mustParse(t, specV1).Older()), replaced(t, specV1, `"owner":"o","repotag":"a/b:1"`, `"repotag":"a/b:1","owner":"o"`); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	seven := mustParse(t, specV7)
	if got, want := string(seven.Older()), replaced(t, specV7, `"repoauth":"auth","secrets":"hidden"`, `"secrets":"hidden","repoauth":"auth"`); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if string(seven.Canonical()) != specV7 {
		t.Error("asking for the older order changes the specification")
	}
	if got := mustParse(t, specV8).Older(); got != nil {
		t.Errorf("version 8: %s", got)
	}
}

func TestUpdatesKeepWhatTheirVersionPins(t *testing.T) {
	two := replaced(t, specV7, `[{"name":"web"`, specV7[strings.Index(specV7, `[{`):strings.Index(specV7, `}]`)]+`},{"name":"db"`)
	tiered := replaced(t, specV3, "Three", "app")
	for _, c := range []struct {
		what, from, to string
		publish        bool
		want           string
	}{
		{"more cpu", specV1, replaced(t, specV1, `0.5`, `0.6`), true, ""},
		{"other name", specV1, replaced(t, specV1, `"One"`, `"Two"`), false, "Flux App update received but application name differs"},
		{"repotag of an old version", specV3, replaced(t, specV3, `a/b:1`, `a/b:2`), false, "Flux App update of repotag is not allowed"},
		{"old to composed", tiered, replaced(t, specV7, `"Seven"`, `"app"`), false, ""},
		{"old to composed, published", tiered, replaced(t, specV7, `"Seven"`, `"app"`), true, "Flux App update can only change the version to 8"},
		{"composed to old", replaced(t, specV7, `"Seven"`, `"app"`), tiered, false, "Flux App update to lower version specifications is not allowed"},
		{"repotag of a component", specV7, replaced(t, specV7, `a/b:1`, `a/b:2`), true, ""},
		{"component added", specV7, two, false, "Flux App update can not change the number of components"},
		{"component renamed", specV7, replaced(t, specV7, `"web"`, `"www"`), false, "Flux App update can not change the name of component www"},
		{"renamed on the way to 8", replaced(t, specV7, "Seven", "eight"), replaced(t, specV8, `"web"`, `"www"`), true, "Flux App update can not change the name of component www"},
		{"to 8", replaced(t, specV7, "Seven", "eight"), specV8, true, ""},
		{"renamed in 8", specV8, replaced(t, specV8, `"web"`, `"www"`), true, ""},
	} {
		if got := message(t, mustParse(t, c.from).CheckUpdate(mustParse(t, c.to), c.publish)); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestDescriptionsLinkApplications(t *testing.T) {
	for description, want := range map[string][]string{
		"plain": nil,
		`Needs networkWith: [AppOne, "AppTwo"] please`: {"AppOne", "AppTwo"},
		"networkwith=[a-b,A-B,bad_name]":               {"a-b"},
		"networkWith []":                               nil,
		"networkWith:[a":                               nil,
	} {
		if d := cmp.Diff(want, (&Spec{Description: description}).LinkedApps()); d != "" {
			t.Errorf("%q: %s", description, d)
		}
	}
}

func TestMessagesWithoutASpecificationAreRefused(t *testing.T) {
	for _, raw := range []string{"", "{", "[]", "{}"} {
		m := Message{Type: "fluxappregister", Version: MessageVersion, Specification: []byte(raw)}
		if m.CheckHash() == nil {
			t.Errorf("%q has a hash", raw)
		}
		if texts, err := m.SignedTexts(); err == nil {
			t.Errorf("%q is signed: %q", raw, texts)
		}
	}
	if got := SignedText("t", 1, []byte("{}"), 1762000000123); got != "t1{}1762000000123" {
		t.Errorf("signed text %q", got)
	}
}

func TestSecretsAreNotShared(t *testing.T) {
	app := func(name, hidden, nodes string) *Spec {
		return mustParse(t, replaced(t, replaced(t, replaced(t, specV7, "Seven", name), `"hidden"`, `"`+hidden+`"`), `["1.2.3.4"]`, nodes))
	}
	mine := app("mine", `a b\n c\\nd`, `["1.2.3.4"]`)
	const taken = "Provided component 'web' secrets are not valid (duplicate in app: 'other')"
	for _, c := range []struct {
		what   string
		update bool
		others []*Spec
		want   string
	}{
		{"nobody has it", false, []*Spec{app("other", "x", `["1.2.3.4"]`)}, ""},
		{"blanks don't matter", false, []*Spec{app("other", "abcd", `["1.2.3.4"]`)}, taken},
		{"without nodes it doesn't count", false, []*Spec{app("other", "abcd", `[]`)}, ""},
		{"update of the only owner", true, []*Spec{mine}, ""},
		{"update, another has it", true, []*Spec{app("other", "abcd", `["1.2.3.4"]`)}, taken},
		{"update, both have it", true, []*Spec{app("other", "abcd", `["1.2.3.4"]`), mine}, ""},
		{"registration, both have it", false, []*Spec{mine, app("other", "abcd", `["1.2.3.4"]`)}, taken},
		{"registration under a name that has it", false, []*Spec{mine}, ""},
		{"no secrets at all", false, []*Spec{app("other", "", `["1.2.3.4"]`)}, ""},
	} {
		if got := message(t, mine.CheckSecrets(c.update, c.others)); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
	if err := mustParse(t, specV8).CheckSecrets(false, []*Spec{mine}); err != nil {
		t.Errorf("version 8: %v", err)
	}
}

func TestLatestFormKeepsItsOddities(t *testing.T) {
	for raw, want := range map[string]string{
		specV1: `{"version":8,"name":"One","description":"d","owner":"o","compose":[{"name":"One","description":"d","repotag":"a/b:1","ports":[31001],"environmentParameters":["A=1"],"commands":["x"],"containerPorts":[80],"containerData":"/data","cpu":0.5,"ram":500,"hdd":5,"repoauth":""}],"istances":3,"contacts":[],"geolocation":[],"expire":22000,"nodes":[],"staticip":false,"enterprise":""}`,
		specV3: `{"version":8,"name":"Three","description":"d","owner":"o","compose":[{"name":"Three","description":"d","repotag":"a/b:1","ports":[31001],"domains":["x.org"],"environmentParameters":[],"commands":[],"containerPorts":[80],"containerData":"/data","cpu":0.5,"ram":500,"hdd":5,"repoauth":""}],"istances":4,"contacts":[],"geolocation":[],"expire":22000,"nodes":[],"staticip":false,"enterprise":""}`,
		specV5: `{"version":8,"name":"Five","description":"d","compose":[{"name":"web","description":"w","repotag":"a/b:1","ports":[],"domains":[],"environmentParameters":[],"commands":[],"containerPorts":[],"containerData":"/data","cpu":0.5,"ram":500,"hdd":5,"repoauth":""}],"istances":3,"contacts":[],"geolocation":[],"expire":22000,"nodes":[],"staticip":false,"enterprise":""}`,
		specV7: `{"version":8,"name":"Seven","description":"d","compose":[{"name":"web","description":"w","repotag":"a/b:1","ports":[31001],"domains":["x.org"],"environmentParameters":["A=1"],"commands":["x"],"containerPorts":[80],"containerData":"g:/data","cpu":0.5,"ram":500,"hdd":5,"repoauth":"auth"}],"istances":3,"contacts":["a@b"],"geolocation":["acEU"],"expire":88000,"nodes":[],"staticip":true,"enterprise":""}`,
		specV8: specV8,
	} {
		if got := string(Latest(mustParse(t, raw))); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestFreeUpdatesNeedComparableSpecifications(t *testing.T) {
	app := func(version, expire int, c ...Component) *Spec {
		return &Spec{Version: version, Expire: expire, Instances: 3, Components: c}
	}
	a, b := Component{Name: "a", Hardware: Hardware{1, 1, 1}}, Component{Name: "b", Hardware: Hardware{2, 2, 2}}
	unnamed := b
	unnamed.Name = ""
	for _, c := range []struct {
		what            string
		current, update *Spec
		want            bool
	}{
		{"in another order", app(8, 88000, a, b), app(8, 78000, b, a), true},
		{"without names by place", app(8, 88000, a, unnamed), app(8, 78000, a, unnamed), true},
		{"without names in another order", app(8, 88000, a, unnamed), app(8, 78000, unnamed, a), false},
		{"same name twice, by place", app(8, 88000, b, a), app(8, 78000, a, a), true},
		{"new application", nil, app(8, 78000, a), false},
		{"no expire before", app(5, 0, a), app(8, 1, a), false},
		{"old version", app(3, 88000, a), app(3, 78000, a), false},
	} {
		if _, got := FreeUpdate(c.current, 2300000, c.update, 2310000, nil); got != c.want {
			t.Errorf("%s: %v", c.what, got)
		}
	}
	if Period(2019999) != 22000 || Period(2020000) != 88000 {
		t.Error("a period is four times as many blocks since the fork")
	}
}

func TestPriceMessagesOfTheChain(t *testing.T) {
	for text, want := range map[string]PriceRow{
		"p_0.03_0.01_0.004_0.01":             {CPU: 0.03, RAM: 0.01, HDD: 0.004, MinPrice: 0.01, Port: 2, Scope: 6, StaticIP: 3},
		"p_0.03_0.01_0.004_0.01_0.4":         {CPU: 0.03, RAM: 0.01, HDD: 0.004, MinPrice: 0.01, Port: 0.4, Scope: 6, StaticIP: 3},
		"p_0.03_0.01_0.004_0.01_0.4_0.8_0.4": {CPU: 0.03, RAM: 0.01, HDD: 0.004, MinPrice: 0.01, Port: 0.4, Scope: 0.8, StaticIP: 0.4},
		"p_1_2_3_4_0_x_5_6":                  {CPU: 1, RAM: 2, HDD: 3, MinPrice: 4, Port: 2, Scope: 6, StaticIP: 5},
	} {
		want.Height = 7
		if got, ok := ParsePriceMessage(text, 7); !ok || got != want {
			t.Errorf("%s: %+v %v, want %+v", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "p", "p_1_2_3", "q_1_2_3_4", "p_1_2_3_", "p_1_2_3_x", "p_1_x_3_4", "p_1_2_3_Infinity", "1_2_3_4_5"} {
		if row, ok := ParsePriceMessage(text, 7); ok {
			t.Errorf("%q: %+v", text, row)
		}
	}
	published := PriceRow{Height: 1597156, MinPrice: 9}
	table := Prices(PriceRow{Height: 2000000, MinPrice: 5}, published)
	for height, want := range map[int]float64{1597156: 0.01, 1597157: 9, 2000000: 9, 2000001: 5} {
		if row, _ := table.At(height); row.MinPrice != want {
			t.Errorf("at %d: %v, want %v", height, row.MinPrice, want)
		}
	}
	if len(Prices()) != 6 {
		t.Error("published rows stay in the built-in table")
	}
}

func TestQuotes(t *testing.T) {
	app := func(name string, instances, expire int, cpu float64, data string) *Spec {
		return &Spec{Version: 8, Name: name, Instances: instances, Expire: expire, Components: []Component{{ContainerData: data, Hardware: Hardware{cpu, cpu * 2000, cpu * 25}}}}
	}
	market := Market{USD: USDPrices(), OnChain: Prices(), Rate: FallbackRate, Products: []Product{{"Game", 2}, {"cheap", 0.5}}}
	four := app("x", 3, 88000, 4, "/d") // USD 12, FLUX 2.4 for a period
	// 2.89 and 19.45 are what doubles make of 3.2 and 21.6 times 0.9, rounded up.
	for _, c := range []struct {
		what     string
		spec     *Spec
		existing *Registered
		asked    float64
		usd      float64
		chain    float64
		fail     string
	}{
		{what: "middle size", spec: four, usd: 10.8, chain: 2.16},
		{what: "small size", spec: app("x", 3, 88000, 2, "/d"), usd: 4.8, chain: 0.96},
		{what: "large size", spec: app("x", 3, 88000, 8, "/d"), usd: 24, chain: 4.8},
		{what: "many instances have no discount for size in USD", spec: app("x", 4, 88000, 4, "/d"), usd: 16, chain: 2.89},
		{what: "one active instance", spec: app("x", 3, 88000, 4, "g:/d"), usd: 8.64, chain: 1.73},
		{what: "marketplace", spec: app("gameserver", 3, 88000, 4, "/d"), usd: 21.6, chain: 2.16},
		{what: "marketplace without multiplier", spec: app("cheapest", 3, 88000, 4, "/d"), usd: 10.8, chain: 2.16},
		{what: "three periods", spec: app("x", 3, 264000, 4, "/d"), usd: 31.43, chain: 6.48},
		{what: "six periods", spec: app("x", 3, 528000, 4, "/d"), usd: 60.91, chain: 12.96},
		{what: "nine periods", spec: app("x", 3, 792000, 4, "/d"), usd: 85.54, chain: 19.45},
		{what: "never below the minimum", spec: app("x", 1, 1, 0.1, "/d"), usd: 0.99, chain: 0.01},
		{what: "half used", spec: four, existing: &Registered{four, now - 44000}, usd: 5.4, chain: 1.08},
		{what: "used up", spec: four, existing: &Registered{four, now - 90000}, usd: 10.8, chain: 2.16},
		{what: "older than the fork: the end is four times as far, the age on the chain too", spec: four, existing: &Registered{app("x", 3, 22000, 4, "/d"), 2010000}, usd: 10.8, chain: 2.16},
		{what: "previous without expire", spec: four, existing: &Registered{app("x", 3, 0, 4, "/d"), now - 44000}, usd: 5.4, chain: 1.08},
		{what: "asked price", spec: four, asked: 11, usd: 11, chain: 2.16},
		{what: "asked price too low", spec: four, asked: 10.79, chain: 2.16, fail: "USD price is not valid"},
	} {
		t.Run(c.what, func(t *testing.T) {
			if got := market.OnChain.QuoteOnChain(c.spec, now, c.existing); got != c.chain {
				t.Errorf("on chain %v, want %v", got, c.chain)
			}
			q, err := market.Quote(c.spec, now, c.existing, c.asked)
			if message(t, err) != c.fail || q.USD != c.usd {
				t.Errorf("%v %v, want %v %q", q.USD, err, c.usd, c.fail)
			}
			if c.fail == "" && (q.OnChain || q.Discount != 5 || q.Flux != round2(c.usd/0.6*0.95)) {
				t.Errorf("%+v", q)
			}
		})
	}
	market.Rate = 100
	if q, err := market.Quote(four, now, nil, 0); err != nil || !q.OnChain || q.Flux != 2.16 || q.Discount != 0 {
		t.Errorf("the price on the chain is higher: %+v %v", q, err)
	}
}

func TestMountKindsSayWhereDataLies(t *testing.T) {
	mounts, err := ParseMounts("/a|m:d:/b|f:f:/c|0:/d|c:1:d:/e|cf:2:f:/f")
	if err != nil {
		t.Fatal(err)
	}
	want := []Mount{
		{Kind: MountPrimary, Name: "appdata", Path: "/a"},
		{Kind: MountDirectory, Name: "d", Path: "/b"},
		{Kind: MountFile, Name: "f", Path: "/c"},
		{Kind: MountComponentPrimary, Name: "appdata", Path: "/d"},
		{Kind: MountComponentDirectory, Component: 1, Name: "d", Path: "/e"},
		{Kind: MountComponentFile, Component: 2, Name: "f", Path: "/f"},
	}
	if d := cmp.Diff(want, mounts); d != "" {
		t.Error(d)
	}
	last := &Spec{Version: 4, Components: []Component{{Name: "a", ContainerData: "/a"}, {Name: "b", ContainerData: "/a|2:/b"}}}
	if _, err := last.Binds(1); message(t, err) != "Invalid component index: 2. Valid range: 0-1" {
		t.Errorf("a component that isn't there: %v", err)
	}
	if err := LocationFits([]string{"aNA", "acEU"}, Location{Continent: "EU"}); err != nil {
		t.Errorf("continents of the old style don't count beside new entries: %v", err)
	}
	if got := (Location{"EU", "CZ", "Prague"}).String(); got != "EU_CZ_Prague" {
		t.Errorf("location %s", got)
	}
	for data, want := range map[string]string{
		"/a|cf:0:f":                  "Invalid component file mount syntax: cf:0:f. Expected cf:<number>:<filename>:<path>",
		"/a\x00b":                    "Mount path cannot contain null bytes",
		"/a|cf:x:f:/":                "Invalid component index in: cf:x:f:/",
		"/a|99999999999999999999:/b": "Invalid component index in: 99999999999999999999:/b",
	} {
		if _, err := ParseMounts(data); message(t, err) != want {
			t.Errorf("%q: %v", data, err)
		}
	}
}
