package place

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	chronySlow = "Reference ID    : 50505050 (x)\nStratum         : 3\nSystem time     : 1.500000000 seconds slow of NTP time\nLast offset     : +0.1 seconds\nLeap status     : Normal\n"
	chronyNone = "Reference ID    : 00000000 ()\nStratum         : 0\nSystem time     : 0.000000000 seconds fast of NTP time\nLeap status     : Not synchronised\n"
	timesync   = "       Server: 1.2.3.4 (ntp.example.com)\n       Offset: +1.234ms\n        Delay: 5.1ms\n"
)

func TestClockToolsVectors(t *testing.T) {
	var vectors map[string][]struct {
		Input         string   `json:"input"`
		OffsetSeconds *float64 `json:"offsetSeconds"`
	}
	readJSON(t, "testdata/clock.json", &vectors)
	for name, parse := range map[string]func([]byte) (float64, error){"chronyTracking": parseChrony, "timesyncStatus": parseTimesync} {
		if len(vectors[name]) == 0 {
			t.Errorf("no vectors %s", name)
		}
		for _, v := range vectors[name] {
			got, err := parse([]byte(v.Input))
			switch {
			case v.OffsetSeconds == nil && err == nil:
				t.Errorf("%s %q: got %v, want an error", name, v.Input, got)
			case v.OffsetSeconds != nil && (err != nil || got != *v.OffsetSeconds):
				t.Errorf("%s %q: got %v, %v, want %v", name, v.Input, got, err, *v.OffsetSeconds)
			}
		}
	}
}

func TestChronyThatIsNotSynchronisedKnowsNothing(t *testing.T) {
	if got, err := parseChrony([]byte(chronyNone)); !errors.Is(err, errNotSynced) {
		t.Errorf("got %v, %v", got, err)
	}
}

func fuzzOffset(f *testing.F, parse func([]byte) (float64, error)) {
	for _, s := range []string{chronySlow, chronyNone, timesync, "Offset: -567us", "Offset: -0s", "System time : 0.0 seconds slow of NTP time", "Offset: 1e9s", "Offset: 999999999999999.9s"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, out []byte) {
		got, err := parse(out)
		if err == nil && (math.IsNaN(got) || math.Abs(got) > 1e15 || err != nil) {
			t.Errorf("got %v", got)
		}
		if err != nil && got != 0 {
			t.Errorf("an error came with %v", got)
		}
	})
}

func FuzzParseChrony(f *testing.F)   { fuzzOffset(f, parseChrony) }
func FuzzParseTimesync(f *testing.F) { fuzzOffset(f, parseTimesync) }

// tools is a fake of the host's programs: what each writes, "" for a failure.
type tools map[string]string

func (o tools) run(_ context.Context, name string, args ...string) ([]byte, error) {
	line := strings.Join(append([]string{name}, args...), " ")
	if o[line] == "" {
		return nil, fmt.Errorf("%s: not found", line)
	}
	return []byte(o[line]), nil
}

const (
	askChrony   = "chronyc -n tracking"
	askTimesync = "timedatectl timesync-status"
)

func TestClockAsksItsSourcesInOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		tools tools
		want  string // of the reply
	}{
		{"chrony first", tools{askChrony: chronySlow, askTimesync: timesync}, `{"source":"chrony","offset":-1.5,"time":1795318073}`},
		{"chrony that isn't synchronised", tools{askChrony: chronyNone, askTimesync: timesync}, `{"source":"timesyncd","offset":-0.001234,"time":1795318073}`},
		{"no chrony", tools{askTimesync: "Offset: -567us"}, `{"source":"timesyncd","offset":0.000567,"time":1795318073}`},
		{"a clock that is right", tools{askTimesync: "Offset: +0s"}, `{"source":"timesyncd","offset":0,"time":1795318073}`},
		{"a clock that is right, slow", tools{askChrony: "System time : 0.0 seconds slow of NTP time"}, `{"source":"chrony","offset":0,"time":1795318073}`},
		{"garbage", tools{askChrony: "506 Cannot talk to daemon", askTimesync: "Packet count: 0"}, `{"source":"none","offset":null,"time":1795318073}`},
		{"nothing", nil, `{"source":"none","offset":null,"time":1795318073}`},
	} {
		k, err := NewClock(ClockConfig{Run: c.tools.run, Now: func() time.Time { return time.Unix(1795318073, 999) }})
		if err != nil {
			t.Fatal(err)
		}
		k.look(t.Context())
		got, err := json.Marshal(k.Reading())
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
		if known := k.Reading().Offset != nil; known != (k.Problem() == "") {
			t.Errorf("%s: Problem() = %q", c.name, k.Problem())
		}
	}
}

func TestClockSaysWhyNobodyKnows(t *testing.T) {
	k, err := NewClock(ClockConfig{Run: tools{askChrony: chronyNone}.run})
	if err != nil {
		t.Fatal(err)
	}
	if r := k.Reading(); r.Source != "none" || r.Offset != nil || r.Time == 0 || k.Problem() != "" {
		t.Errorf("before the first look: %+v, Problem() = %q", r, k.Problem())
	}
	k.look(t.Context())
	want := "no source knows the offset of the clock: chrony: isn't synchronised; timesyncd: timedatectl timesync-status: not found; ntp: no servers are configured"
	if got := k.Problem(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestClockReadsEvery5MinutesAndForgetsWhatIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := tools{askChrony: chronySlow}
		k, err := NewClock(ClockConfig{Run: o.run, Random: noRandom})
		if err != nil {
			t.Fatal(err)
		}
		start(t, k.Serve)
		synctest.Wait()
		*k.Reading().Offset = 7
		if r := k.Reading(); *r.Offset != -1.5 || r.Time != time.Now().Unix() {
			t.Errorf("got %+v with offset %v", r, *r.Offset)
		}
		delete(o, askChrony)
		past(5*time.Minute - time.Second)
		if k.Reading().Offset == nil {
			t.Error("read too early")
		}
		past(2 * time.Second)
		if r := k.Reading(); r.Source != "none" || r.Offset != nil {
			t.Errorf("got %+v, want none", r)
		}
	})
}

func TestClockLeavesToolsThatHangAfter3Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, err := NewClock(ClockConfig{Run: func(ctx context.Context, _ string, _ ...string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		k.look(t.Context())
		if took := time.Since(began); took != 2*toolTimeout {
			t.Errorf("took %v, want %v", took, 2*toolTimeout)
		}
	})
}

func TestClockServeEndsInTheMiddleOfALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, err := NewClock(ClockConfig{Run: func(ctx context.Context, _ string, _ ...string) ([]byte, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if err := k.Serve(ctx); err != nil || time.Since(began) != time.Second || k.Problem() != "" {
			t.Errorf("Serve ended after %v with %v, Problem() = %q", time.Since(began), err, k.Problem())
		}
	})
}

func TestToolsRunInEnglishAndBounded(t *testing.T) {
	t.Setenv("LC_ALL", "de_DE.UTF-8")
	t.Setenv("SECRET", "hunter2")
	t.Setenv("PATH", "/usr/bin:/bin")
	out, err := runTool(t.Context(), "printenv")
	if diff := cmp.Diff("PATH=/usr/bin:/bin\nLC_ALL=C\n", string(out)); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	out, err = runTool(t.Context(), "head", "-c", "1000000", "/dev/zero")
	if err != nil || len(out) != toolLimit {
		t.Errorf("a chatty program: %d bytes, %v, want %d", len(out), err, toolLimit)
	}
	if _, err = runTool(t.Context(), "ls", "/there/is/none"); err == nil || !strings.Contains(err.Error(), "No such file") {
		t.Errorf("a failing program: %v", err)
	}
	if _, err = runTool(t.Context(), "there-is-none"); err == nil {
		t.Error("a missing program gave no error")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err = runTool(ctx, "sleep", "60"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a program that hangs: %v", err)
	}
}
