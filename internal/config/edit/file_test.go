package edit

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

const before = "# mine\nnode:\n  kadena: old # k\n"

// newFile writes a configuration file and returns its path.
func newFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func accept([]byte) error { return nil }

func editor(t *testing.T, path string, check func([]byte) error) *File {
	t.Helper()
	f, err := New(Config{Path: path, Check: check})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func contents(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names lists a folder.
func names(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestEditorWithoutCheckIsRefused(t *testing.T) {
	if f, err := New(Config{Path: "x"}); err == nil || f != nil {
		t.Errorf("got %v, error %v", f, err)
	}
}

func TestEditKeepsModeAndOwnerAndLeavesNothingBehind(t *testing.T) {
	path := newFile(t, before)
	uid, gid := os.Getuid(), os.Getgid()
	if uid == 0 {
		uid, gid = 12345, 23456
	}
	if err := errors.Join(os.Chown(path, uid, gid), os.Chmod(path, 0o640)); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	f, err := New(Config{Path: path, Check: accept, Logger: slog.New(slog.NewTextHandler(&b, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Set(t.Context(), map[string]any{"node.kadena": "hidden", "node.testnet": true}); err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, path), "# mine\nnode:\n  kadena: \"hidden\" # k\n  testnet: true\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	if st.Mode&0o7777 != 0o640 || int(st.Uid) != uid || int(st.Gid) != gid {
		t.Errorf("mode %o, owner %d:%d, want 640, %d:%d", st.Mode&0o7777, st.Uid, st.Gid, uid, gid)
	}
	if d := cmp.Diff([]string{"config.yaml"}, names(t, filepath.Dir(path))); d != "" {
		t.Error(d)
	}
	if log := b.String(); !strings.Contains(log, "node.kadena,node.testnet") || strings.Contains(log, "hidden") {
		t.Errorf("log: %s", log)
	}
	if err := f.Unset(t.Context(), "node.testnet", "node.testnet", "api.listen"); err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, path), "# mine\nnode:\n  kadena: \"hidden\" # k\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEditThatChangesNothingWritesNothing(t *testing.T) {
	path := newFile(t, before)
	was, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f := editor(t, path, func([]byte) error { return errors.New("checked") })
	if err := errors.Join(f.Set(t.Context(), map[string]any{"node.kadena": "old"}), f.Unset(t.Context(), "api.listen"), f.Set(t.Context(), nil)); err != nil {
		t.Fatal(err)
	}
	if is, err := os.Stat(path); err != nil || !os.SameFile(was, is) || !is.ModTime().Equal(was.ModTime()) {
		t.Errorf("the file was written, error %v", err)
	}
}

func TestEditGoesToTheTargetOfALink(t *testing.T) {
	path := newFile(t, before)
	folder := t.TempDir()
	link := filepath.Join(folder, "link.yaml")
	relative := filepath.Join(folder, "relative.yaml")
	if err := errors.Join(os.Symlink(path, link), os.Symlink("link.yaml", relative)); err != nil {
		t.Fatal(err)
	}
	if err := editor(t, relative, accept).Set(t.Context(), map[string]any{"node.kadena": "new"}); err != nil {
		t.Fatal(err)
	}
	if got := contents(t, path); !strings.Contains(got, `"new"`) {
		t.Errorf("got %q", got)
	}
	for _, l := range []string{link, relative} {
		if info, err := os.Lstat(l); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Errorf("%s isn't a link any more: %v, error %v", l, info, err)
		}
	}
	dangling := filepath.Join(folder, "dangling.yaml")
	if err := os.Symlink("nothing", dangling); err != nil {
		t.Fatal(err)
	}
	if err := editor(t, dangling, accept).Set(t.Context(), map[string]any{"node.a": 1}); err == nil || !strings.Contains(err.Error(), "link to nothing") {
		t.Errorf("a dangling link: error %v", err)
	}
}

func TestMissingFileIsMadeForItsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	f := editor(t, path, accept)
	if err := f.Unset(t.Context(), "node.kadena"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Dir(path)); got != nil {
		t.Errorf("Unset made %v", got)
	}
	if err := f.Set(t.Context(), map[string]any{"node.kadena": "x"}); err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, path), "node:\n  kadena: \"x\"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("got %v, error %v, want mode 0600", info.Mode(), err)
	}
	nowhere := filepath.Join(t.TempDir(), "none", "config.yaml")
	if err := editor(t, nowhere, accept).Set(t.Context(), map[string]any{"node.a": 1}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: error %v", err)
	}
}

func TestRefusedEditsWriteNothing(t *testing.T) {
	errCheck := errors.New("node.kadena: no account")
	for name, c := range map[string]struct {
		values map[string]any
		check  error
		want   string
	}{
		"a value that the daemon refuses": {map[string]any{"node.kadena": "x"}, errCheck, "no account"},
		"one of two":                      {map[string]any{"node.kadena": "x", "node.y": 1.5}, nil, "node.y: want a text"},
		"a key and its section":           {map[string]any{"log.levels": map[string]string{}, "log.levels.api": "debug"}, nil, "want one of them"},
		"a key that isn't one":            {map[string]any{"Node Kadena": "x"}, nil, "want words"},
		"an empty part":                   {map[string]any{"node.": "x"}, nil, "want words"},
		"a key in a value":                {map[string]any{"node.kadena.x": "x"}, nil, "value of its own"},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, before)
			err := editor(t, path, func([]byte) error { return c.check }).Set(t.Context(), c.values)
			if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), c.want) || c.check != nil && !errors.Is(err, c.check) {
				t.Errorf("got error %v, want ErrRefused with %q", err, c.want)
			}
			if got := contents(t, path); got != before {
				t.Errorf("the file changed: %q", got)
			}
			if got := names(t, filepath.Dir(path)); len(got) != 1 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

func TestWithoutFileTheErrorSaysWhatToSet(t *testing.T) {
	f := editor(t, "", accept)
	if err := errors.Join(f.Set(t.Context(), nil), f.Unset(t.Context())); err != nil {
		t.Errorf("no change: %v", err)
	}
	err := f.Set(t.Context(), map[string]any{"api.rate_limit.burst": 1})
	if !errors.Is(err, ErrNoFile) || !strings.Contains(err.Error(), "api.rate_limit.burst") || !strings.Contains(err.Error(), "FLUXOSD_API_RATE_LIMIT_BURST") {
		t.Errorf("got %v", err)
	}
}

func TestChangeOfAnotherDuringAnEditIsKept(t *testing.T) {
	for name, other := range map[string]func(path string) error{
		"written in place": func(path string) error {
			return os.WriteFile(path, []byte("node:\n  kadena: old\n  theirs: 1\n"), 0o600)
		},
		"renamed over": func(path string) error {
			return errors.Join(os.WriteFile(path+"~", []byte("node:\n  kadena: old\n  theirs: 1\n"), 0o600), os.Rename(path+"~", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := newFile(t, before)
			checks := 0
			f := editor(t, path, func([]byte) error { // runs between reading and renaming
				if checks++; checks > 1 {
					return nil
				}
				return other(path)
			})
			if err := f.Set(t.Context(), map[string]any{"node.kadena": "new"}); err != nil {
				t.Fatal(err)
			}
			if got, want := contents(t, path), "node:\n  kadena: \"new\"\n  theirs: 1\n"; got != want || checks != 2 {
				t.Errorf("got %q after %d checks, want %q", got, checks, want)
			}
		})
	}
}

func TestEditGivesUpOnAFileThatKeepsChanging(t *testing.T) {
	path := newFile(t, before)
	checks := 0
	theirs := ""
	f := editor(t, path, func([]byte) error {
		checks++
		theirs = before + "#" + strconv.Itoa(checks)
		return os.WriteFile(path, []byte(theirs), 0o600)
	})
	err := f.Set(t.Context(), map[string]any{"node.kadena": "new"})
	if !errors.Is(err, ErrBusy) || checks != attempts || contents(t, path) != theirs || len(names(t, filepath.Dir(path))) != 1 {
		t.Errorf("error %v after %d checks, file %q", err, checks, contents(t, path))
	}
}

func TestFileRemovedOrMadeDuringAnEditIsNoticed(t *testing.T) {
	path := newFile(t, before)
	checks := 0
	f := editor(t, path, func([]byte) error {
		if checks++; checks == 1 {
			return os.Remove(path)
		}
		if checks == 2 {
			return os.WriteFile(path, []byte("api:\n  theirs: 1\n"), 0o600)
		}
		return nil
	})
	if err := f.Set(t.Context(), map[string]any{"node.kadena": "new"}); err != nil {
		t.Fatal(err)
	}
	if got, want := contents(t, path), "api:\n  theirs: 1\n\nnode:\n  kadena: \"new\"\n"; got != want || checks != 3 {
		t.Errorf("got %q after %d checks, want %q", got, checks, want)
	}
}

func TestLinkPointedElsewhereDuringAnEditIsNoticed(t *testing.T) {
	first, second := newFile(t, before), newFile(t, before)
	link := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.Symlink(first, link); err != nil {
		t.Fatal(err)
	}
	checks := 0
	f := editor(t, link, func([]byte) error {
		if checks++; checks > 1 {
			return nil
		}
		return errors.Join(os.Symlink(second, link+"~"), os.Rename(link+"~", link))
	})
	if err := f.Set(t.Context(), map[string]any{"node.kadena": "new"}); err != nil {
		t.Fatal(err)
	}
	if contents(t, first) != before || contents(t, second) == before {
		t.Errorf("first %q, second %q", contents(t, first), contents(t, second))
	}
}

func TestEditorsTakeTurns(t *testing.T) {
	path := newFile(t, before)
	const editors, edits = 4, 8
	var wg sync.WaitGroup
	for e := range editors {
		f := editor(t, path, accept)
		wg.Go(func() {
			for i := range edits {
				if err := f.Set(t.Context(), map[string]any{"e" + strconv.Itoa(e) + ".k" + strconv.Itoa(i): i}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	d, err := parse([]byte(contents(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	for e := range editors {
		for i := range edits {
			if hits := d.find(d.root, nil, "e"+strconv.Itoa(e)+".k"+strconv.Itoa(i)); len(hits) != 1 {
				t.Errorf("edit %d of editor %d is there %d times", i, e, len(hits))
			}
		}
	}
}

func TestWaitingForAnotherEditorEndsWithTheContext(t *testing.T) {
	path := newFile(t, before)
	lock, err := lockFolder(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.release()
	ctx, cancel := context.WithCancelCause(t.Context())
	errGone := errors.New("the caller went away")
	done := make(chan error)
	go func() { done <- editor(t, path, accept).Set(ctx, map[string]any{"node.kadena": "new"}) }()
	cancel(errGone)
	if err := <-done; !errors.Is(err, context.Canceled) && !errors.Is(err, errGone) {
		t.Errorf("got %v", err)
	}
	if contents(t, path) != before {
		t.Error("the file changed")
	}
}

func TestLeftoversOfAKilledEditorAreRemoved(t *testing.T) {
	path := newFile(t, before)
	folder := filepath.Dir(path)
	keep := []string{".config.yaml.edit-", ".config.yaml.edit-01", ".config.yaml.edit-0123456789abcdeg", ".other.edit-0123456789abcdef", "config.yaml", "config.yaml~"}
	for _, name := range append(keep, ".config.yaml.edit-0123456789abcdef") {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(before), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := editor(t, path, accept).Set(t.Context(), map[string]any{"node.kadena": "old"}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(keep, names(t, folder)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{pipe, t.TempDir(), "/dev/null"} {
		if err := editor(t, path, accept).Set(t.Context(), map[string]any{"node.a": 1}); err == nil || !strings.Contains(err.Error(), "regular file") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}
