package wallet

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	siweAddress = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"

	siweMinimal = "service.org wants you to sign in with your Ethereum account:\n" + siweAddress + "\n\n\n" +
		"URI: https://service.org/login\nVersion: 1\nChain ID: 1\nNonce: 32891757\nIssued At: 2021-09-30T16:25:24.000Z"

	siweFull = "https://service.org:8443 wants you to sign in with your Ethereum account:\n" + siweAddress + "\n\n" +
		"I accept the ServiceOrg Terms of Service: https://service.org/tos\n\n" +
		"URI: https://service.org/login?a=b%20c#top\nVersion: 1\nChain ID: 1\nNonce: 32891757\nIssued At: 2021-09-30T16:25:24+02:00\n" +
		"Expiration Time: 2021-10-01T00:00:00Z\nNot Before: 2021-09-30T00:00:00.5Z\nRequest ID: some_id\nResources:\n" +
		"- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n- https://example.com/my-web2-claim.json"
)

func mustParseSIWE(t testing.TB, text string) SIWE {
	t.Helper()
	s, err := ParseSIWE(text)
	if err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return s
}

func TestParseSIWEReadsEveryField(t *testing.T) {
	id := "some_id"
	want := SIWE{
		Scheme: "https", Domain: "service.org:8443", Address: siweAddress,
		Statement: "I accept the ServiceOrg Terms of Service: https://service.org/tos",
		URI:       "https://service.org/login?a=b%20c#top", Version: "1", ChainID: "1", Nonce: "32891757",
		IssuedAt: "2021-09-30T16:25:24+02:00", ExpirationTime: "2021-10-01T00:00:00Z", NotBefore: "2021-09-30T00:00:00.5Z",
		RequestID: &id,
		Resources: []string{"ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/", "https://example.com/my-web2-claim.json"},
	}
	if diff := cmp.Diff(want, mustParseSIWE(t, siweFull)); diff != "" {
		t.Errorf("full (-want +got):\n%s", diff)
	}
	want = SIWE{
		Domain: "service.org", Address: siweAddress, URI: "https://service.org/login", Version: "1",
		ChainID: "1", Nonce: "32891757", IssuedAt: "2021-09-30T16:25:24.000Z",
	}
	if diff := cmp.Diff(want, mustParseSIWE(t, siweMinimal)); diff != "" {
		t.Errorf("minimal (-want +got):\n%s", diff)
	}
}

// edit replaces old in the full text, which must hold it once.
func edit(t testing.TB, old, replacement string) string {
	t.Helper()
	if strings.Count(siweFull, old) != 1 {
		t.Fatalf("%q does not occur once", old)
	}
	return strings.Replace(siweFull, old, replacement, 1)
}

func TestSIWETextComesBackExactly(t *testing.T) {
	for name, text := range map[string]string{
		"minimal":                siweMinimal,
		"full":                   siweFull,
		"no resources":           edit(t, "\n- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n- https://example.com/my-web2-claim.json", ""),
		"empty request id":       edit(t, "some_id", ""),
		"chain with zeros":       edit(t, "Chain ID: 1", "Chain ID: 0001"),
		"small letters in times": edit(t, "2021-10-01T00:00:00Z", "2021-10-01t00:00:00z"),
		"user and IP address":    edit(t, "https://service.org:8443", "test@127.0.0.1:8080"),
		"IPv6 address":           edit(t, "https://service.org:8443", "[2001:db8::1]:16127"),
		"IPv6 with IPv4":         edit(t, "https://service.org:8443", "[::ffff:192.0.2.1]"),
		"future IP version":      edit(t, "https://service.org:8443", "[v1.fe80::a+en1]"),
		"URN":                    edit(t, "https://service.org/login?a=b%20c#top", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"),
		"URI without host":       edit(t, "https://service.org/login?a=b%20c#top", "file:///etc/hosts"),
		"statement is a field":   edit(t, "I accept the ServiceOrg Terms of Service: https://service.org/tos", "URI: not this one"),
		"fraction of 60 digits":  edit(t, "00:00.5Z", "00:00."+strings.Repeat("5", 60)+"Z"),
		"offset to the west":     edit(t, "+02:00", "-23:59"),
		"long nonce":             edit(t, "32891757", strings.Repeat("aZ9", 40)),
	} {
		t.Run(name, func(t *testing.T) {
			if !LooksLikeSIWE(text) {
				t.Error("LooksLikeSIWE denies it")
			}
			if diff := cmp.Diff(text, mustParseSIWE(t, text).String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseSIWESaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":                   {"", "want a first line ending"},
		"login phrase":            {testPhrase, "want a first line ending"},
		"greeting only":           {"service.org" + siweGreeting, "ends early"},
		"no domain":               {edit(t, "https://service.org:8443", ""), "domain:"},
		"no host":                 {edit(t, "https://service.org:8443", "user@:80"), "domain:"},
		"domain with a path":      {edit(t, "https://service.org:8443", "service.org/login"), "domain:"},
		"domain with a space":     {edit(t, "https://service.org:8443", "service org"), "domain:"},
		"bad port":                {edit(t, ":8443", ":8443a"), "domain:"},
		"bad scheme":              {edit(t, "https://service.org:8443", "1https://service.org"), "scheme:"},
		"empty scheme":            {edit(t, "https://service.org:8443", "://service.org"), "scheme:"},
		"IPv6 zone":               {edit(t, "service.org:8443", "[fe80::1%25eth0]"), "domain:"},
		"IPv4 in brackets":        {edit(t, "service.org:8443", "[127.0.0.1]"), "domain:"},
		"IPv6 unclosed":           {edit(t, "service.org:8443", "[fe80::1"), "domain:"},
		"bad percent":             {edit(t, "service.org:8443", "a%2"), "domain:"},
		"address in small":        {edit(t, siweAddress, strings.ToLower(siweAddress)), "EIP-55 wants " + siweAddress},
		"address in capitals":     {edit(t, siweAddress, "0x"+strings.ToUpper(siweAddress[2:])), "EIP-55 wants"},
		"no address":              {edit(t, siweAddress, ""), "address:"},
		"short address":           {edit(t, siweAddress, siweAddress[:41]), "address:"},
		"empty statement":         {edit(t, "I accept the ServiceOrg Terms of Service: https://service.org/tos", ""), `"URI: "`},
		"statement of two lines":  {edit(t, "I accept", "I\naccept"), "empty line after the statement"},
		"statement with quotes":   {edit(t, "I accept", `I "accept"`), "statement:"},
		"statement with percent":  {edit(t, "I accept", "I 100% accept"), "statement:"},
		"statement with accents":  {edit(t, "I accept", "J'ai lu, accepté"), "statement:"},
		"extra empty line":        {strings.Replace(siweMinimal, "\n\n\n", "\n\n\n\n", 1), `"URI: "`},
		"missing empty line":      {strings.Replace(siweMinimal, "\n\n\n", "\n\n", 1), "empty line after the statement"},
		"carriage returns":        {strings.ReplaceAll(siweMinimal, "\n", "\r\n"), "first line"},
		"no URI":                  {edit(t, "URI: https://service.org/login?a=b%20c#top\n", ""), `"URI: "`},
		"relative URI":            {edit(t, "URI: https://service.org/login?a=b%20c#top", "URI: /login"), "absolute URI"},
		"URI with a space":        {edit(t, "login?a=b%20c#top", "log in"), "absolute URI"},
		"URI with two fragments":  {edit(t, "#top", "#top#"), "absolute URI"},
		"URI with bad octet":      {edit(t, "https://service.org/login", "uri://[::0.0.0.256]/p"), "absolute URI"},
		"URI with bad IPv6":       {edit(t, "https://service.org/login", "uri://[1:2:3:4:5::6:7:8]/p"), "absolute URI"},
		"version 2":               {edit(t, "Version: 1", "Version: 2"), "Version: want 1"},
		"no chain":                {edit(t, "Chain ID: 1\n", ""), `"Chain ID: "`},
		"chain of letters":        {edit(t, "Chain ID: 1", "Chain ID: ?"), "Chain ID: want 1 to 78 decimal digits"},
		"empty chain":             {edit(t, "Chain ID: 1", "Chain ID: "), "Chain ID: want"},
		"long chain":              {edit(t, "Chain ID: 1", "Chain ID: "+strings.Repeat("1", 79)), "Chain ID: want"},
		"short nonce":             {edit(t, "32891757", "3289175"), "Nonce: want 8 or more"},
		"nonce with a dash":       {edit(t, "32891757", "3289-1757"), "Nonce: want 8 or more"},
		"no issue time":           {edit(t, "Issued At: 2021-09-30T16:25:24+02:00\n", ""), `"Issued At: "`},
		"prose as time":           {edit(t, "2021-10-01T00:00:00Z", "Wed Oct 05 2011 16:48:00 GMT+0200"), "Expiration Time: want an RFC 3339 time"},
		"time without zone":       {edit(t, "2021-10-01T00:00:00Z", "2021-10-01T00:00:00"), "RFC 3339"},
		"time with a comma":       {edit(t, "2021-10-01T00:00:00Z", "2021-10-01T00:00:00,5Z"), "RFC 3339"},
		"time with empty part":    {edit(t, "2021-10-01T00:00:00Z", "2021-10-01T00:00:00.Z"), "RFC 3339"},
		"time with a short hour":  {edit(t, "2021-10-01T00:00:00Z", "2021-10-01T0:00:00Z"), "RFC 3339"},
		"time at 24:00":           {edit(t, "2021-10-01T00:00:00Z", "2021-10-01T24:00:00Z"), "RFC 3339"},
		"time on 30 February":     {edit(t, "2021-10-01T00:00:00Z", "2021-02-30T00:00:00Z"), "RFC 3339"},
		"leap second":             {edit(t, "2021-10-01T00:00:00Z", "2016-12-31T23:59:60Z"), "RFC 3339"},
		"offset of 24 hours":      {edit(t, "+02:00", "+24:00"), "RFC 3339"},
		"offset of 60 minutes":    {edit(t, "+02:00", "+02:60"), "RFC 3339"},
		"request id with a slash": {edit(t, "some_id", "some/id"), "Request ID: want characters"},
		"out of order":            {edit(t, "Expiration Time: 2021-10-01T00:00:00Z\nNot Before: 2021-09-30T00:00:00.5Z", "Not Before: 2021-09-30T00:00:00.5Z\nExpiration Time: 2021-10-01T00:00:00Z"), "out of order"},
		"field twice":             {edit(t, "Request ID: some_id", "Request ID: some_id\nRequest ID: some_id"), "out of order"},
		"resource of no URI":      {edit(t, "- https://example.com/my-web2-claim.json", "- _not_a_uri_"), "- want an absolute URI"},
		"resources on one line":   {edit(t, "\n- https://example.com/my-web2-claim.json", " - https://example.com"), "- want an absolute URI"},
		"line after resources":    {siweFull + "\nRequest ID: late", `want a line beginning "- "`},
		"line feed at the end":    {siweMinimal + "\n", "text after the last field"},
		"line feed after all":     {siweFull + "\n", `want a line beginning "- "`},
		"too long":                {siweFull + "\n- urn:" + strings.Repeat("a", maxSIWE), "at most 16384"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ParseSIWE(tc.text)
			if !errors.Is(err, ErrSIWEFormat) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %+v, %v, want ErrSIWEFormat with %q", s, err, tc.want)
			}
		})
	}
}

func TestLooksLikeSIWE(t *testing.T) {
	for text, want := range map[string]bool{
		siweMinimal:                       true,
		"x" + siweGreeting + "\nnonsense": true,
		testPhrase:                        false,
		"":                                false,
		"first line\n" + siweMinimal:      false,
		strings.ToLower(siweMinimal):      false,
	} {
		if got := LooksLikeSIWE(text); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

// The sign-ins that the reference library of EIP-4361 publishes as verifying,
// made by real wallets, one with a v of 1.
func TestSIWEPublishedSignatures(t *testing.T) {
	for _, tc := range []struct {
		sign      SIWE
		signature string
	}{
		{SIWE{
			Domain: "login.xyz", Address: "0x9D85ca56217D2bb651b00f15e694EB7E713637D4",
			Statement: "Sign-In With Ethereum Example Statement", URI: "https://login.xyz", Version: "1", ChainID: "1",
			Nonce: "bTyXgcQxn2htgkjJn", IssuedAt: "2022-01-27T17:09:38.578Z", ExpirationTime: "2100-01-07T14:31:43.952Z",
		}, "0xdc35c7f8ba2720df052e0092556456127f00f7707eaa8e3bbff7e56774e7f2e05a093cfc9e02964c33d86e8e066e221b7d153d27e5a2e97ccd5ca7d3f2ce06cb1b"},
		{SIWE{
			Domain: "www.tally.xyz", Address: "0xc95EB884FE852e241D409234bfC7045CB9E31BD7",
			Statement: "Sign in with Ethereum to Tally", URI: "https://tally.xyz", Version: "1", ChainID: "1",
			Nonce: "15050747", IssuedAt: "2022-06-30T14:08:51.382Z",
		}, "0x8c46b6eb8505939892d8e9b075f89f8277321b17b993151f37810cdda38cce6f4a85909d2b53e6a14629c74c0ac38bf4becde78ee5b2529812bf6cceaf7b2a2501"},
	} {
		t.Run(tc.sign.Domain, func(t *testing.T) {
			if err := Verify(tc.sign.Address, tc.sign.String(), tc.signature); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.sign, mustParseSIWE(t, tc.sign.String())); diff != "" {
				t.Errorf("round trip (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSIWECheck(t *testing.T) {
	const domain = "node.example:16127"
	base := SIWE{Domain: domain, Version: "1", IssuedAt: "2026-01-01T12:00:00Z", NotBefore: "2026-01-01T12:01:00Z", ExpirationTime: "2026-01-01T13:00:00Z"}
	at := func(clock string) time.Time {
		now, err := time.Parse(time.RFC3339, "2026-01-01T"+clock+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return now
	}
	with := func(change func(*SIWE)) SIWE {
		s := base
		change(&s)
		return s
	}
	ours := []string{"192.0.2.1:16127", domain}
	for name, tc := range map[string]struct {
		sign  SIWE
		check SIWECheck
		want  error
	}{
		"fits":                     {base, SIWECheck{Domains: ours, Now: at("12:30:00")}, nil},
		"letter case of domain":    {with(func(s *SIWE) { s.Domain = "NODE.example:16127" }), SIWECheck{Domains: ours, Now: at("12:30:00")}, nil},
		"no limits":                {SIWE{Domain: domain, Version: "1", IssuedAt: "2020-01-01T00:00:00Z"}, SIWECheck{Domains: ours, Now: at("12:30:00")}, nil},
		"another domain":           {base, SIWECheck{Domains: ours[:1], Now: at("12:30:00")}, ErrSIWEDomain},
		"another port":             {with(func(s *SIWE) { s.Domain = "node.example:16137" }), SIWECheck{Domains: ours, Now: at("12:30:00")}, ErrSIWEDomain},
		"user before the domain":   {with(func(s *SIWE) { s.Domain = domain + "@evil.example" }), SIWECheck{Domains: ours, Now: at("12:30:00")}, ErrSIWEDomain},
		"no domains":               {base, SIWECheck{Now: at("12:30:00")}, ErrSIWEDomain},
		"empty domain":             {with(func(s *SIWE) { s.Domain = "" }), SIWECheck{Domains: []string{""}, Now: at("12:30:00")}, ErrSIWEDomain},
		"version":                  {with(func(s *SIWE) { s.Version = "2" }), SIWECheck{Domains: ours, Now: at("12:30:00")}, ErrSIWEVersion},
		"before the issue":         {base, SIWECheck{Domains: ours, Now: at("11:59:59")}, ErrSIWEFuture},
		"before it is valid":       {base, SIWECheck{Domains: ours, Now: at("12:00:59")}, ErrSIWENotYetValid},
		"first moment":             {base, SIWECheck{Domains: ours, Now: at("12:01:00")}, nil},
		"last moment":              {base, SIWECheck{Domains: ours, Now: at("12:59:59")}, nil},
		"at its end":               {base, SIWECheck{Domains: ours, Now: at("13:00:00")}, ErrSIWEExpired},
		"skew before the issue":    {base, SIWECheck{Domains: ours, Now: at("11:58:59"), MaxSkew: time.Minute}, ErrSIWEFuture},
		"skew before it is valid":  {base, SIWECheck{Domains: ours, Now: at("11:59:00"), MaxSkew: time.Minute}, ErrSIWENotYetValid},
		"skew helps the beginning": {base, SIWECheck{Domains: ours, Now: at("12:00:00"), MaxSkew: time.Minute}, nil},
		"skew helps the end":       {base, SIWECheck{Domains: ours, Now: at("13:00:59"), MaxSkew: time.Minute}, nil},
		"skew is used up":          {base, SIWECheck{Domains: ours, Now: at("13:01:00"), MaxSkew: time.Minute}, ErrSIWEExpired},
		"negative skew":            {base, SIWECheck{Domains: ours, Now: at("12:01:00"), MaxSkew: -time.Minute}, nil},
		"no time to judge by":      {base, SIWECheck{Domains: ours}, ErrSIWEFuture},
		"hand-made, no issue":      {with(func(s *SIWE) { s.IssuedAt = "" }), SIWECheck{Domains: ours, Now: at("12:30:00")}, ErrSIWEFormat},
		"hand-made, bad begin":     {with(func(s *SIWE) { s.NotBefore = "noon" }), SIWECheck{Domains: ours, Now: at("12:30:00")}, ErrSIWEFormat},
		"hand-made, bad end":       {with(func(s *SIWE) { s.ExpirationTime = "one" }), SIWECheck{Domains: ours, Now: at("12:30:00")}, ErrSIWEFormat},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tc.sign.Check(tc.check); !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestSIWEPhrase(t *testing.T) {
	other := "1795313415018" + testPhrase[13:]
	for name, tc := range map[string]struct {
		nonce, statement, want string
	}{
		"nonce":                     {testPhrase, "", testPhrase},
		"nonce and words":           {testPhrase, "Sign in to this node", testPhrase},
		"statement":                 {"32891757", testPhrase, testPhrase},
		"end of the statement":      {"32891757", "Sign in: " + testPhrase, testPhrase},
		"both, the same":            {testPhrase, "Sign in: " + testPhrase, testPhrase},
		"both, not the same":        {testPhrase, "Sign in: " + other, ""},
		"neither":                   {"32891757", "Sign in", ""},
		"no statement":              {"32891757", "", ""},
		"begin of the statement":    {"32891757", testPhrase + " is the phrase", ""},
		"within a word":             {"32891757", "phrase:" + testPhrase, ""},
		"space at the end":          {"32891757", testPhrase + " ", ""},
		"39 characters":             {testPhrase[:39], "", ""},
		"40 characters":             {testPhrase[:40], "", testPhrase[:40]},
		"70 characters":             {testPhrase[:13] + strings.Repeat("a", 57), "", testPhrase[:13] + strings.Repeat("a", 57)},
		"71 characters":             {testPhrase[:13] + strings.Repeat("a", 58), "", ""},
		"capital letters":           {strings.ToUpper(testPhrase), "", ""},
		"twelve digits":             {testPhrase[:12] + strings.Repeat("a", 40), "", ""},
		"nonce wins over a bad one": {testPhrase, "Sign in: " + testPhrase + "-", testPhrase},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := SIWE{Nonce: tc.nonce, Statement: tc.statement}.Phrase()
			if got != tc.want || ok != (tc.want != "") {
				t.Errorf("got %q, %v, want %q", got, ok, tc.want)
			}
		})
	}
}
