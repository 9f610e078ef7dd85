package testproc

import (
	"flag"
	"testing"

	"pgregory.net/rapid"
)

func TestChecksAreFewUnlessAskedFor(t *testing.T) {
	count := func(t *testing.T) int {
		n := 0
		rapid.Check(t, func(*rapid.T) { n++ })
		return n
	}
	checks := flag.Lookup("rapid.checks")
	usual := count(t)
	for _, tt := range []struct {
		name, long, asked string
		want              int
	}{
		{"ordinary", "", checks.DefValue, 7},
		{"long", "1", checks.DefValue, usual},
		{"asked for", "", "9", 9},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("FLUXOSD_TEST_LONG", tt.long)
			if err := checks.Value.Set(tt.asked); err != nil {
				t.Fatal(err)
			}
			FewChecks(t, 7)
			if got := count(t); got != tt.want {
				t.Errorf("%d checks, want %d", got, tt.want)
			}
		})
		if tt.asked == checks.DefValue {
			if got := count(t); got != usual {
				t.Errorf("after %s: %d checks, want the usual %d", tt.name, got, usual)
			}
		}
	}
	if err := checks.Value.Set(checks.DefValue); err != nil {
		t.Fatal(err)
	}
}
