package privileged

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "record anew what the real ufw answers, in testdata")

// recording is what ufw answered in the scenario below: blocks of "$ ufw …", the
// answer indented by a tab, and "! …" for a failure.
const recording = "testdata/ufw-0.36.2.txt"

// recorder runs the real ufw and writes down what it says.
type recorder struct {
	text     strings.Builder
	commands []string
}

func (r *recorder) Run(ctx context.Context, program string, args ...string) (string, error) {
	out, err := Exec{}.Run(ctx, program, args...)
	command := program + " " + strings.Join(args, " ")
	r.commands = append(r.commands, command)
	fmt.Fprintf(&r.text, "$ %s\n", command)
	for line := range strings.Lines(out) {
		r.text.WriteString("\t" + line)
	}
	if err != nil {
		fmt.Fprintf(&r.text, "! %v\n", err)
	}
	return out, err
}

// replay answers what was recorded, if it is asked the same in the same order.
type replay struct {
	t      *testing.T
	blocks []string
}

func newReplay(t *testing.T) *replay {
	t.Helper()
	raw, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	return &replay{t: t, blocks: strings.Split(string(raw), "$ ")[1:]}
}

func (r *replay) Run(_ context.Context, program string, args ...string) (string, error) {
	command := program + " " + strings.Join(args, " ")
	if len(r.blocks) == 0 {
		r.t.Fatalf("%s: the recording is over", command)
	}
	recorded, answer, _ := strings.Cut(r.blocks[0], "\n")
	r.blocks = r.blocks[1:]
	if recorded != command {
		r.t.Fatalf("run\n%s, recorded\n%s", command, recorded)
	}
	var out strings.Builder
	for line := range strings.Lines(answer) {
		if text, ok := strings.CutPrefix(line, "! "); ok {
			return "", errors.New(strings.TrimSpace(text))
		}
		out.WriteString(strings.TrimPrefix(line, "\t"))
	}
	return out.String(), nil
}

// scenario is the life of fluxosd's rules beside an operator's.
func scenario(t *testing.T, run Runner) {
	t.Helper()
	ctx := t.Context()
	operator := func(command string) string {
		t.Helper()
		out, err := run.Run(ctx, "ufw", strings.Fields(command)...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	check := func(what string, got Report, err error, want Report) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if diff := cmp.Diff(want, got, comparePrefixes); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	fw := NewUFW(run)
	rules := []Rule{
		{Port: 16126, EndPort: 16128, Note: "console, API, HTTPS"},
		{Port: 16129, Protocol: Both},
		{Port: 80},
		{Port: 5000},
		{Port: 6005},
		{Port: 1900, Protocol: UDP, Direction: Out, From: netip.MustParsePrefix("239.255.255.250/32")},
		{Port: 1, EndPort: 65535, Protocol: UDP, From: netip.MustParsePrefix("fd00::1/128")},
		{Port: 7000, EndPort: 7001, Protocol: Both, From: netip.MustParsePrefix("10.0.0.0/8")},
	}

	if _, err := fw.Allow(ctx, rules); !errors.Is(err, ErrInactive) {
		t.Fatalf("Allow while ufw is inactive: %v", err)
	}
	if got, err := fw.List(ctx); err != nil || len(got) != 0 {
		t.Fatalf("List without rules: %v, %v", got, err)
	}
	operator("--force enable")
	operator("allow 22/tcp comment mine")
	operator("allow 80")
	operator("deny 5000/tcp")
	operator("deny 6000:6010/tcp")
	operator("limit 443/tcp comment fluxosd")
	operator("allow in on eth0 to any port 81 comment fluxosd")
	own := strings.TrimPrefix(operator("show added"), "\n")

	seven := []Rule{rules[7], rules[7]}
	seven[0].Protocol, seven[1].Protocol = TCP, UDP
	added := []Rule{rules[0], rules[1], rules[4], rules[5], rules[6], seven[0], seven[1]}
	commands := []string{
		"ufw allow in proto tcp from any to any port 16126:16128 comment fluxosd",
		"ufw allow in from any to any port 16129 comment fluxosd",
		"ufw allow in proto tcp from any to any port 6005 comment fluxosd",
		"ufw allow out proto udp from any to 239.255.255.250/32 port 1900 comment fluxosd",
		"ufw allow in proto udp from fd00::1/128 to any port 1:65535 comment fluxosd",
		"ufw allow in proto tcp from 10.0.0.0/8 to any port 7000:7001 comment fluxosd",
		"ufw allow in proto udp from 10.0.0.0/8 to any port 7000:7001 comment fluxosd",
	}
	held := `in tcp 5000 stays as it is because of the rule "ufw deny 5000/tcp": remove that with ufw delete, if it isn't wanted`
	want := Report{Added: added, Existing: []Rule{rules[2]}, Held: []Rule{rules[3]}, Commands: commands,
		Advice: []string{held, `the rule "ufw deny 6000:6010/tcp" comes first and refuses some of in tcp 6005`}}
	d, err := Dry(fw)
	if err != nil {
		t.Fatal(err)
	}
	report, err := d.Allow(ctx, rules)
	check("dry Allow", report, err, want)
	report, err = fw.Allow(ctx, rules)
	check("Allow", report, err, want)
	report, err = fw.Allow(ctx, rules)
	check("Allow again", report, err, Report{Existing: []Rule{rules[0], rules[1], rules[2], rules[4], rules[5], rules[6], seven[0], seven[1]}, Held: []Rule{rules[3]}, Advice: []string{held}})

	listed := slices.Clone(added)
	for i := range listed {
		listed[i].Note = ""
	}
	inOrder := func(a, b Rule) int { return strings.Compare(a.String(), b.String()) }
	slices.SortFunc(listed, inOrder)
	got, err := fw.List(ctx)
	slices.SortFunc(got, inOrder)
	if diff := cmp.Diff(listed, got, comparePrefixes); err != nil || diff != "" {
		t.Errorf("List: %v (-want +got):\n%s", err, diff)
	}

	report, err = fw.Remove(ctx, []Rule{rules[1], rules[2], rules[7], {Port: 443}, {Port: 81, Protocol: Both}, {Port: 9}})
	check("Remove", report, err, Report{Removed: []Rule{rules[1], seven[0], seven[1]}, Commands: []string{
		"ufw delete allow in from any to any port 16129", "ufw delete allow in proto tcp from 10.0.0.0/8 to any port 7000:7001",
		"ufw delete allow in proto udp from 10.0.0.0/8 to any port 7000:7001"}})
	report, err = d.Clear(ctx)
	if err != nil || len(report.Removed) != 4 || len(report.Commands) != 4 {
		t.Errorf("dry Clear: %+v, %v", report, err)
	}
	operator("disable")
	report, err = fw.Clear(ctx) // also while ufw is switched off
	if err != nil || len(report.Removed) != 4 || len(report.Commands) != 4 {
		t.Errorf("Clear: %+v, %v", report, err)
	}
	if diff := cmp.Diff(own, operator("show added")); diff != "" {
		t.Errorf("rules of the operator (-before +after):\n%s", diff)
	}
}

func TestUFWBesideAnOperatorRecorded(t *testing.T) {
	run := newReplay(t)
	scenario(t, run)
	if len(run.blocks) != 0 {
		t.Errorf("%d recorded commands weren't run, the first: %s", len(run.blocks), run.blocks[0])
	}
}

// The same with the real ufw, on files of its own. With -update, what it says
// becomes the recording.
func TestUFWBesideAnOperatorForReal(t *testing.T) {
	t.Parallel() // it waits most of the time
	if !inNamespace(t) {
		return
	}
	ownUFW(t)
	var run recorder
	scenario(t, &run)
	if *update {
		if err := os.WriteFile(recording, []byte(run.text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(recording)
	if err != nil {
		t.Fatal(err)
	}
	var recorded []string
	for line := range strings.Lines(string(raw)) {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			recorded = append(recorded, strings.TrimSpace(command))
		}
	}
	if diff := cmp.Diff(recorded, run.commands); diff != "" {
		t.Errorf("%s is out of date (-recorded +real):\n%s", recording, diff)
	}
}

// ownUFW gives ufw files of its own, those that its package comes with. The
// process is in a mount namespace.
func ownUFW(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	etc, defaults := filepath.Join(dir, "ufw"), filepath.Join(dir, "default")
	for _, path := range []string{filepath.Join(etc, "applications.d"), defaults} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ufw.conf", "before.rules", "before6.rules", "after.rules", "after6.rules", "user.rules", "user6.rules", "before.init", "after.init"} {
		text, err := os.ReadFile(filepath.Join("/usr/share/ufw", name))
		if err != nil {
			t.Fatalf("%v: install the package ufw", err)
		}
		if err := os.WriteFile(filepath.Join(etc, name), text, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	// Without IPT_SYSCTL, ufw leaves the kernel's settings alone.
	const settings = "IPV6=yes\nDEFAULT_INPUT_POLICY=\"DROP\"\nDEFAULT_OUTPUT_POLICY=\"ACCEPT\"\nDEFAULT_FORWARD_POLICY=\"DROP\"\n" +
		"DEFAULT_APPLICATION_POLICY=\"SKIP\"\nMANAGE_BUILTINS=no\nIPT_SYSCTL=\nIPT_MODULES=\"\"\n"
	if err := os.WriteFile(filepath.Join(defaults, "ufw"), []byte(settings), 0o644); err != nil {
		t.Fatal(err)
	}
	for from, to := range map[string]string{etc: "/etc/ufw", defaults: "/etc/default"} {
		if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
			t.Fatalf("mount on %s: %v", to, err)
		}
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil { // ufw's lock
		t.Fatalf("mount on /run: %v", err)
	}
}

// fixed answers by the first argument; an answer that begins with ! is an error.
type fixed map[string]string

func (f fixed) Run(_ context.Context, _ string, args ...string) (string, error) {
	answer, ok := f[args[0]]
	if !ok || strings.HasPrefix(answer, "!") {
		return "", errors.New("ufw " + args[0] + ": " + answer)
	}
	return answer, nil
}

func TestUFWReportsWhatWasDoneBeforeAFailure(t *testing.T) {
	calls := 0
	run := runnerFunc(func(args []string) (string, error) {
		switch args[0] {
		case "status":
			return "Status: active\n", nil
		case "show":
			return "Added user rules (see 'ufw status' for running firewall):\n(None)\n", nil
		}
		if calls++; calls == 2 {
			return "", errors.New("iptables is locked")
		}
		return "Rule added\n", nil
	})
	report, err := NewUFW(run).Allow(t.Context(), []Rule{{Port: 1}, {Port: 2}, {Port: 3}})
	if err == nil || err.Error() != "in tcp 2: iptables is locked" {
		t.Errorf("%v", err)
	}
	if diff := cmp.Diff([]Rule{{Port: 1}}, report.Added, comparePrefixes); diff != "" || len(report.Commands) != 1 || calls != 2 {
		t.Errorf("%d calls, report %+v", calls, report)
	}
}

type runnerFunc func(args []string) (string, error)

func (f runnerFunc) Run(_ context.Context, _ string, args ...string) (string, error) { return f(args) }

func TestUFWAnswersThatItDoesNotUnderstand(t *testing.T) {
	for name, answers := range map[string]fixed{
		"status": {"status": "Estado: activo\n"}, "no status": {"status": ""}, "not root": {"status": "!You need to be root"},
		"show": {"status": "Status: active\n", "show": "hello\n"}, "no show": {"status": "Status: active\n", "show": ""},
		"show fails": {"status": "Status: active\n", "show": "!no"},
		"more":       {"status": "Status: active\n", "show": "Added user rules:\n" + strings.Repeat("ufw allow 1\n", maxUFWRules+1)},
	} {
		if report, err := NewUFW(answers).Allow(t.Context(), []Rule{{Port: 80}}); err == nil || !strings.Contains(err.Error(), "ufw") || len(report.Added) != 0 {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
}
