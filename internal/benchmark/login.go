package benchmark

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// Ports of fluxbenchd's JSON-RPC.
const (
	daemonPort        = 16224
	daemonPortTestnet = 26224
)

// Login says how to reach a fluxbenchd on this host. Its name and password are
// fixed in the program, the same on every node.
type Login struct {
	URL      string
	User     string
	Password secret.Text
	LogFile  string // may not exist
}

// DefaultLogin looks for an installation of fluxbenchd on this host: the folder
// that the environment names in FLUXBENCH_PATH, else .fluxbenchmark in home, else
// .zelbenchmark of its old releases. ok is false when there is none.
func DefaultLogin(home string, env func(string) string, testnet bool) (login Login, ok bool) {
	dir := env("FLUXBENCH_PATH")
	if dir == "" && home != "" {
		dir = filepath.Join(home, ".fluxbenchmark")
	}
	name := "fluxbench"
	if !isDir(dir) {
		if home == "" {
			return Login{}, false
		}
		dir, name = filepath.Join(home, ".zelbenchmark"), "zelbench"
		if !isDir(dir) {
			return Login{}, false
		}
	}
	port := daemonPort
	if testnet {
		port = daemonPortTestnet
	}
	return Login{
		URL: fmt.Sprintf("http://127.0.0.1:%d", port), User: name + "user", Password: secret.New(name + "password"),
		LogFile: filepath.Join(dir, "debug.log"),
	}, true
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return path != "" && err == nil && info.IsDir()
}
