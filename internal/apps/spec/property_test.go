package spec

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// model compares specifications by what they say.
var model = cmp.Options{cmp.Comparer(secret.Text.Equal), cmpopts.IgnoreUnexported(Spec{})}

// seeds are the specifications of all vectors.
func seeds(t testing.TB) [][]byte {
	var out [][]byte
	for _, file := range []string{"app-spec-valid.json", "app-spec-invalid.json", "spec-format-vectors.json"} {
		for _, v := range vectors(t, file) {
			out = append(out, append(v.Spec, v.Input...))
		}
	}
	return append(out, []byte(specV1), []byte(specV3), []byte(specV7), []byte(specV8))
}

// checkReading holds for whatever bytes came.
func checkReading(t interface{ Fatalf(string, ...any) }, raw []byte) {
	formatted, err := Format(raw)
	if err != nil {
		if fault.KindOf(err) != fault.Invalid {
			t.Fatalf("%q: %v isn't for the caller", raw, err)
		}
	} else if _, err := Parse(formatted); err == nil { // what isn't a number is printed as null, which is 0 the next time
		if again, err := Format(formatted); err != nil || !bytes.Equal(again, formatted) {
			t.Fatalf("formatting isn't stable: %v\n%s\n%s", err, formatted, again)
		}
	}
	read, readErr := Read(raw)
	if err != nil && (readErr == nil || readErr.Error() != err.Error()) {
		t.Fatalf("Read says %v, Format %v", readErr, err)
	}
	if readErr == nil && !bytes.Equal(read.Canonical(), formatted) {
		t.Fatalf("Read and Format differ:\n%s\n%s", read.Canonical(), formatted)
	}
	for _, in := range [][]byte{raw, formatted} {
		s, err := Parse(in)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q: %v isn't for the caller", in, err)
			}
			continue
		}
		canonical := s.Canonical()
		again, err := Parse(canonical)
		if err != nil {
			t.Fatalf("%s isn't read again: %v", canonical, err)
		}
		if d := cmp.Diff(s, again, model); d != "" {
			t.Fatalf("Parse(Canonical(x)) differs from x:\n%s", d)
		}
		if fixed := again.Canonical(); !bytes.Equal(fixed, canonical) {
			t.Fatalf("the canonical form isn't a fixed point:\n%s\n%s", canonical, fixed)
		}
		for _, height := range []int{0, 983000, 1004000, 1300000, 1625000, 1932380, 2019999, now} {
			if err := s.Verify(Context{Height: height}); err != nil && fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%v isn't for the caller", err)
			}
			row, _ := Prices().At(height)
			if p := s.PeriodPrice(row, height); math.IsNaN(p) {
				t.Fatalf("%s costs %v at %d", canonical, p, height)
			}
		}
		s.Older()
		Latest(s)
		for i := range s.Components {
			_, _ = s.Binds(i)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw []byte) { checkReading(t, raw) })
}

func FuzzParseMounts(f *testing.F) {
	for _, data := range []string{"/a", "rgs:/a|0:/b|m:x:/c|f:y:/d|c:1:z:/e|cf:2:z:/f", "/a|", "g:/a|00:/x", "::|:|"} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data string) {
		mounts, err := ParseMounts(data)
		if err != nil {
			return
		}
		for i, m := range mounts {
			if m.Path[0] != '/' || strings.Contains(m.Path, "..") || strings.ContainsAny(m.Name, "/\x00") || m.Name == "" || m.Name == "." || strings.Contains(m.Name, "..") {
				t.Errorf("%q gives %+v", data, m)
			}
			if (m.Kind == MountPrimary) != (i == 0) || m.Component < 0 {
				t.Errorf("%q gives %+v at %d", data, m, i)
			}
		}
	})
}

func TestDamagedSpecificationsAreReadTheSameWayTwice(t *testing.T) {
	all := seeds(t)
	pieces := []string{`null`, `""`, `[]`, `{}`, `true`, `1e999`, `-1`, `0.000000001`, `"\ud800"`, `"é"`, `[1,"a",null]`, `,`, `"name":`, `"tiered":true,`, `"version":3,`, `9`, `\`}
	rapid.Check(t, func(t *rapid.T) {
		raw := bytes.Clone(rapid.SampledFrom(all).Draw(t, "seed"))
		for range rapid.IntRange(0, 4).Draw(t, "damages") {
			from := rapid.IntRange(0, len(raw)).Draw(t, "from")
			to := min(len(raw), from+rapid.IntRange(0, 12).Draw(t, "length"))
			piece := rapid.SampledFrom(pieces).Draw(t, "piece")
			raw = append(append(bytes.Clone(raw[:from]), piece...), raw[to:]...)
		}
		checkReading(t, raw)
	})
}

func BenchmarkValidate(b *testing.B) {
	raw := average(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		s, err := Read(raw)
		if err == nil {
			err = s.Verify(Context{Height: now})
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanonical(b *testing.B) {
	s := mustParse(b, string(average(b)))
	b.ReportAllocs()
	for b.Loop() {
		s.Canonical()
	}
}

// average is a version 8 specification of three components, with what such
// components have on the network.
func average(t testing.TB) []byte {
	t.Helper()
	from, to := strings.Index(specV8, `{"name":"web"`), strings.Index(specV8, `}]`)+1
	component := replaced(t, specV8[from:to], `"A=1"`, `"MYSQL_HOST=fluxdb_eight","MYSQL_USER=wordpress","MYSQL_PASSWORD=0123456789abcdef","TZ=Europe/Prague","LOG_LEVEL=info"`)
	component = replaced(t, component, `"w"`, `"A component of an application with an ordinary description"`)
	list := make([]string, 3)
	for i, name := range []string{"web", "db", "cache"} {
		list[i] = replaced(t, replaced(t, component, `"web"`, `"`+name+`"`), `31001`, []string{"31001", "31002", "31003"}[i])
	}
	return []byte(specV8[:from] + strings.Join(list, ",") + specV8[to:])
}

func TestAnAverageSpecificationIsValid(t *testing.T) {
	s, err := Read(average(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(Context{Height: now}); err != nil || len(s.Components) != 3 {
		t.Error(err)
	}
}
