package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func readTestdata(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantError fails unless err says all of parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want one that says %q", err, part)
		}
	}
}

func TestOptions(t *testing.T) {
	got, err := parseOptions([]string{"-json", "-time", "2s", "-size", "256MiB", "-dir", "/data", "-rounds", "5"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	want := options{json: true, time: 2 * time.Second, size: 256 << 20, dir: "/data", rounds: 5}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(options{})); diff != "" {
		t.Error(diff)
	}
}

func TestOptionsThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-time", "500ms"}, "1s to 60s"},
		{[]string{"-time", "2500ms"}, "whole seconds"},
		{[]string{"-rounds", "0"}, "1 to 20"},
		{[]string{"-size", "1GB"}, "16MiB to 64GiB"},
		{[]string{"-size", "8MiB"}, "16MiB to 64GiB"},
		{[]string{"-size", "-1GiB"}, "16MiB to 64GiB"},
		{[]string{"-size", "99999999999GiB"}, "16MiB to 64GiB"},
		{[]string{"-size", "1GiBx"}, "16MiB to 64GiB"},
		{[]string{"now"}, "unexpected"},
	} {
		_, err := parseOptions(c.args, io.Discard)
		wantError(t, err, c.want)
	}
}

func TestMissingToolIsToldWithItsInstallation(t *testing.T) {
	for _, tool := range []string{"sysbench", "fio"} {
		look := func(name string) (string, error) {
			if name == tool {
				return "", errors.New("not found")
			}
			return "/bin/" + name, nil
		}
		status, err := run(t.Context(), nil, look, io.Discard, io.Discard)
		if status != exitFailed {
			t.Errorf("%s: got status %d, want %d", tool, status, exitFailed)
		}
		wantError(t, err, tool+" is not installed", "apt-get install")
	}
}

func TestSysbenchReport(t *testing.T) {
	text := readTestdata(t, "sysbench.txt")
	got, err := parseSysbench(text)
	if err != nil {
		t.Fatal(err)
	}
	if want := 2918.29; got != want {
		t.Errorf("got %v events/s, want %v", got, want)
	}
	_, err = parseSysbench(text[:200])
	wantError(t, err, "no line")
	for _, bad := range []string{"", "0", "-1", "NaN", "many"} {
		_, err := parseSysbench([]byte("events per second: " + bad + "\n"))
		wantError(t, err, "positive number")
	}
}

func TestFioReport(t *testing.T) {
	text := readTestdata(t, "fio.json")
	for _, before := range []string{"", "note: both iodepth >= 1 and synchronous I/O engine are selected\n"} {
		got, err := parseFio(append([]byte(before), text...))
		if err != nil {
			t.Fatal(err)
		}
		if want := 874.382592; got != want {
			t.Errorf("got %v MB/s, want %v", got, want)
		}
	}
	for _, c := range []struct{ text, want string }{
		{"", "no JSON"},
		{"{", "fio's report"},
		{`{"jobs":[]}`, "0 jobs"},
		{`{"jobs":[{"error":28,"write":{"io_bytes":5,"bw_bytes":5}}]}`, "error 28"},
		{`{"jobs":[{"error":0,"write":{"io_bytes":0,"bw_bytes":0}}]}`, "wrote 0 bytes"},
	} {
		_, err := parseFio([]byte(c.text))
		wantError(t, err, c.want)
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte("events per second: 3.5"))
	f.Add([]byte(`note {"jobs":[{"error":0,"write":{"io_bytes":1,"bw_bytes":1}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := parseSysbench(text); err == nil && !(v > 0) {
			t.Errorf("sysbench: accepted %v", v)
		}
		if v, err := parseFio(text); err == nil && !(v > 0) {
			t.Errorf("fio: accepted %v", v)
		}
	})
}

func TestProgramThatFailsIsToldWithItsWords(t *testing.T) {
	_, err := output(t.Context(), time.Minute, "ls", "--", "/does/not/exist")
	wantError(t, err, "run ls", "/does/not/exist")
}

func TestProgramThatHangsIsEnded(t *testing.T) {
	_, err := output(t.Context(), 50*time.Millisecond, "sleep", "60")
	wantError(t, err, "deadline")
}

func TestReportIsATableWithVerdicts(t *testing.T) {
	r := report{Rounds: 3, Time: "10s", Size: 1 << 30, Dir: "/data"}
	r.Rows = []row{{subject: subject{"A", "fio", "MB/s", 0.25}, ToolRounds: []float64{100}, OurRounds: []float64{120}, Attempts: 2}}
	r.Rows[0].conclude()
	var out bytes.Buffer
	if err := r.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| A | MB/s | fio | 100.0 | 120.0 | 1.200 | 0.0 % | 2 | ±25 % | met |  |", "All targets met", "1024 MiB", "up to 3 attempts"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, &out)
		}
	}
	r.Rows[0].OurRounds[0] = 126
	r.Rows[0].conclude()
	if got := r.status(); got != exitMissed {
		t.Errorf("a ratio of 1.26 with a target of 25 %%: got status %d, want %d", got, exitMissed)
	}
	r.Rows[0].OurRounds = []float64{110, 130, 150}
	r.Rows[0].conclude()
	if got := r.status(); got != exitFailed || r.Rows[0].Verdict != noisy {
		t.Errorf("a noisy ratio of 1.3: got status %d, verdict %s; want %d, %s", got, r.Rows[0].Verdict, exitFailed, noisy)
	}
}
