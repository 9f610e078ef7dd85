package benchmark

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDefaultLoginOfAnInstallation(t *testing.T) {
	home, other := t.TempDir(), t.TempDir()
	env := func(path string) func(string) string {
		return func(key string) string { return map[string]string{"FLUXBENCH_PATH": path}[key] }
	}
	check := func(env func(string) string, testnet bool, url, user, password, log string) {
		t.Helper()
		l, ok := DefaultLogin(home, env, testnet)
		if !ok || l.URL != url || l.User != user || l.Password.Reveal() != password || l.LogFile != log {
			t.Errorf("found %v: %s %s %s %s", ok, l.URL, l.User, l.Password.Reveal(), l.LogFile)
		}
	}
	absent := func(home, path string) {
		t.Helper()
		if l, ok := DefaultLogin(home, env(path), false); ok {
			t.Errorf("found %+v", l)
		}
	}
	mkdir := func(name string) string {
		t.Helper()
		dir := filepath.Join(home, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}

	absent(home, "")
	absent("", "")
	if err := os.WriteFile(filepath.Join(other, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	absent(home, filepath.Join(other, "file")) // no folder

	old := mkdir(".zelbenchmark")
	check(env(""), false, "http://127.0.0.1:16224", "zelbenchuser", "zelbenchpassword", filepath.Join(old, "debug.log"))
	check(env(filepath.Join(other, "gone")), false, "http://127.0.0.1:16224", "zelbenchuser", "zelbenchpassword", filepath.Join(old, "debug.log"))
	dir := mkdir(".fluxbenchmark")
	check(env(""), true, "http://127.0.0.1:26224", "fluxbenchuser", "fluxbenchpassword", filepath.Join(dir, "debug.log"))
	check(env(other), false, "http://127.0.0.1:16224", "fluxbenchuser", "fluxbenchpassword", filepath.Join(other, "debug.log"))
}
