package checks

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/node/doctor"
)

var update = flag.Bool("update", false, "write docs/doctor.md anew")

// docs/doctor.md lists every check and every problem that there is.
func TestDocumentedChecksAreTheChecks(t *testing.T) {
	list := slices.Concat([]doctor.Check{Running(errors.New("down"))}, Host(HostConfig{}), []doctor.Check{Store(StoreConfig{})}, Chain(ChainConfig{}), []doctor.Check{ChainCopy(nil)}, Node(NodeConfig{}),
		[]doctor.Check{Docker("unix:///x"), Syncthing("http://x")}, Benchmark(BenchmarkConfig{}), Network(NetworkConfig{}),
		[]doctor.Check{Confirmation(NodeConfig{}), Standing(NetworkConfig{}), DockerRelease("unix:///x"), Configuration(nil)})
	var b strings.Builder
	b.WriteString("# What the doctor looks at\n\n" +
		"`fluxosd doctor` and `GET /flux/doctor` run these checks, in the order of cause and effect; `/readyz` and the metrics\n" +
		"`fluxosd_doctor_check` and `fluxosd_health_problem` show the same list. A check isn't judged while a critical problem of one that it needs is there.\n" +
		"This page is made from the code.\n")
	for _, c := range list {
		fmt.Fprintf(&b, "\n## %s (`%s`)\n\n", c.Title, c.Name)
		if len(c.Needs) > 0 {
			fmt.Fprintf(&b, "Needs: `%s`.\n\n", strings.Join(c.Needs, "`, `"))
		}
		b.WriteString("| code | severity | problem | what to do |\n| --- | --- | --- | --- |\n")
		for _, p := range c.Problems {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", p.Code, p.Severity, p.Title, p.Advice)
		}
	}
	const path = "../../../docs/doctor.md"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.String(), string(have)); diff != "" {
		t.Errorf("docs/doctor.md is out of date, write it anew with -update:\n%s", diff)
	}
}
