package edit

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/testproc"
)

// The test binary runs itself as another process when roleVariable names a role.
const (
	roleVariable = "FLUXOSD_TEST_EDIT_ROLE"
	pathVariable = "FLUXOSD_TEST_EDIT_PATH"
)

func TestMain(m *testing.M) {
	roles := map[string]func(path string) error{"loop": editForever, "disks": editOnBadDisks}
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Getenv(pathVariable)); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

func asProcess(t *testing.T, role, path string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role, pathVariable+"="+path)
	return cmd
}

// killedFile has comments before, in and after what the loop changes.
func killedFile(kadena, ports string) string {
	return "# head\nnode:\n  kadena: " + kadena + " # account\n  blocked_ports:\n    # mongo\n    - 27017\n" + ports + "\n" +
		strings.Repeat("# a comment that has to survive\n", 300) + "api:\n  listen: ':16127' # end\n"
}

// editForever changes two keys from one state to another and back.
func editForever(path string) error {
	f, err := New(Config{Path: path, Check: accept})
	if err != nil {
		return err
	}
	fmt.Println("ready")
	for i := 0; ; i++ {
		values := map[string]any{"node.kadena": "old", "node.blocked_ports": []int{27017}}
		if i%2 == 0 {
			values = map[string]any{"node.kadena": "new", "node.blocked_ports": []int{27017, 5432}}
		}
		if err := f.Set(context.Background(), values); err != nil {
			return err
		}
	}
}

func TestKilledEditorLeavesTheOldFileOrTheNewOne(t *testing.T) {
	const kills, limit = 60, 600 // more than kills until one came during an edit
	path := newFile(t, killedFile(`"old"`, ""))
	allowed := map[string]string{
		killedFile(`"old"`, ""):             "old",
		killedFile(`"new"`, "    - 5432\n"): "new",
	}
	seen, leftovers := map[string]int{}, 0
	for n := 0; n < kills || n < limit && (len(seen) < 2 || leftovers == 0); n++ {
		cmd := asProcess(t, "loop", path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil || line != "ready\n" {
			t.Fatalf("the editor said %q, error %v", line, err)
		}
		// A moment within some edits, each of which takes milliseconds.
		<-time.After(rand.N(25 * time.Millisecond))
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the editor ended by itself: %v", err)
		}
		got := contents(t, path)
		state, ok := allowed[got]
		if !ok {
			t.Fatalf("after a kill the file is neither the old nor the new one: %d bytes, %.200q", len(got), got)
		}
		seen[state]++
		leftovers += len(names(t, filepath.Dir(path))) - 1
		if n := len(names(t, filepath.Dir(path))); n > 2 {
			t.Fatalf("%d leftovers: those of the editor before weren't removed", n-1)
		}
	}
	if len(seen) < 2 || leftovers == 0 {
		t.Errorf("no kill came during an edit: states %v, %d unfinished new files", seen, leftovers)
	}
	if err := editor(t, path, accept).Set(t.Context(), map[string]any{"node.kadena": "after"}); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("leftovers: %v", got)
	}
}

func TestFullAndReadOnlyDisksLeaveTheOldFile(t *testing.T) {
	// In a mount namespace of its own, and without privilege in a user
	// namespace, so that no mount outlives the process.
	cmd := asProcess(t, "disks", t.TempDir())
	cmd.SysProcAttr = testproc.Namespaces(syscall.CLONE_NEWNS)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// editOnBadDisks mounts disks that can't take a new file over folder, and edits
// a file on each.
func editOnBadDisks(folder string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	path := filepath.Join(folder, "config.yaml")
	text := "# mine\nnode:\n  kadena: old\n" + strings.Repeat("# filling\n", 4000)
	mount := func(size string) error {
		if err := unix.Mount("tmpfs", folder, "tmpfs", 0, size); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
		return os.WriteFile(path, []byte(text), 0o600)
	}
	refused := func(want error, advice string) error {
		f, err := New(Config{Path: path, Check: accept})
		if err != nil {
			return err
		}
		err = f.Set(context.Background(), map[string]any{"node.kadena": "new"})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), advice) {
			return fmt.Errorf("got error %w, want %w with %q", err, want, advice)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != text {
			return fmt.Errorf("the file changed: %d bytes, error %w", len(got), err)
		}
		entries, err := os.ReadDir(folder)
		if err != nil || len(entries) != 1 {
			return fmt.Errorf("left behind: %v, error %w", entries, err)
		}
		return nil
	}
	if err := mount("size=64k"); err != nil {
		return err
	}
	if err := refused(unix.ENOSPC, "free some space"); err != nil {
		return fmt.Errorf("full disk: %w", err)
	}
	if err := mount("size=1m"); err != nil {
		return err
	}
	if err := unix.Mount("", folder, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	if err := refused(unix.EROFS, "ReadWritePaths="); err != nil {
		return fmt.Errorf("read-only disk: %w", err)
	}
	if err := mount("size=1m"); err != nil {
		return err
	}
	if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind the file: %w", err)
	}
	if err := refused(unix.EBUSY, "mount its folder"); err != nil {
		return fmt.Errorf("file that is a mount: %w", err)
	}
	return refusedWithoutPermission(filepath.Join(folder, "closed"))
}

// refusedWithoutPermission edits in a folder that it may only read, as a user
// that may not do everything.
func refusedWithoutPermission(folder string) error {
	path := filepath.Join(folder, "config.yaml")
	err := errors.Join(os.Mkdir(folder, 0o700), os.WriteFile(path, []byte(before), 0o444), os.Chmod(folder, 0o555))
	if err != nil {
		return err
	}
	if os.Getuid() == 0 {
		// Root may write anywhere by its capabilities.
		if err := dropCapabilities(); err != nil {
			return err
		}
	}
	f, err := New(Config{Path: path, Check: accept})
	if err != nil {
		return err
	}
	err = f.Set(context.Background(), map[string]any{"node.kadena": "new"})
	if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "must be allowed") {
		return fmt.Errorf("folder without permission: got error %w", err)
	}
	return nil
}

// dropCapabilities acts on this thread, which the caller keeps to itself.
func dropCapabilities() error {
	runtime.LockOSThread()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("drop capabilities: %w", err)
	}
	return nil
}
