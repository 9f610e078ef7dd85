package api

import (
	"bufio"
	"compress/gzip"
	"net/url"
	"os"
	"strings"
	"testing"
)

// testdata/express-probes.tsv.gz has what Express 4.22.3, serving the rows of
// the contract, did with 10,900 requests: method, path, the row that answered
// or the status, and the parameters. Our router does the same.
func TestMatchingIsThatOfExpress(t *testing.T) {
	f, err := os.Open("testdata/express-probes.tsv.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	router := newRouter(false)
	table := Table()
	for i := range table {
		if table[i].Kind != Socket {
			if err := router.add(&table[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	probes, bad := 0, 0
	for sc := bufio.NewScanner(z); sc.Scan(); {
		method, rest, _ := strings.Cut(sc.Text(), "\t")
		path, rest, _ := strings.Cut(rest, "\t")
		want, params, _ := strings.Cut(rest, "\t")
		probes++
		got, gotParams := "404", ""
		if l, raw := router.find(method, path); l != nil {
			got = l.route.Method + " " + l.route.Path
			ps, err := l.decode(raw)
			if err != nil {
				got = "400"
			}
			for _, p := range ps {
				if gotParams != "" {
					gotParams += "&"
				}
				gotParams += p.name + "=" + strings.ReplaceAll(url.QueryEscape(p.value), "+", "%20")
			}
		}
		if method == "HEAD" {
			if (got != "404") != (want == "200") {
				t.Errorf("HEAD %s: %s, want %s", path, got, want)
			}
			continue
		}
		if got != want || gotParams != params {
			if bad++; bad < 30 {
				t.Errorf("%s %s: %s [%s], want %s [%s]", method, path, got, gotParams, want, params)
			}
		}
	}
	if probes != 10900 || bad > 0 {
		t.Errorf("%d of %d probes differ, want 0 of 10900", bad, probes)
	}
}

func FuzzMatch(f *testing.F) {
	for _, s := range []string{"/flux/version", "/daemon/getblock/1/2", "/APPS/applog/x%2Fy/", "//", "/%zz", "/ws/id/x", strings.Repeat("/a", 40)} {
		f.Add(s)
	}
	router := newRouter(false)
	table := Table()
	for i := range table {
		if err := router.add(&table[i]); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, path string) {
		l, raw := router.find("GET", path)
		if l == nil {
			return
		}
		if len(raw) != len(l.params) {
			t.Errorf("%d values for %d parameters", len(raw), len(l.params))
		}
		ps, err := l.decode(raw)
		if err != nil {
			return
		}
		for _, p := range ps {
			if p.value == "" {
				t.Errorf("%s: parameter %s is empty", path, p.name)
			}
		}
		if again, _ := router.find("HEAD", path+"/"); again != l && !strings.HasSuffix(path, "/") {
			t.Errorf("%s: HEAD with a slash at the end finds another row", path)
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{"", "{}", `{"zelid":"1","n":1e400,"o":{"a":[{}]}}`, "a=b&c[d]=e&a=%zz", "[1]", `{"a":`, "\x00\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := Request{body: parseBody(raw)}
		for name := range r.body {
			s, given, text := r.BodyText(name)
			if s != "" && (!given || !text) {
				t.Errorf("%q is %q, given %v, text %v", name, s, given, text)
			}
		}
		claimOf(&r)
	})
}
