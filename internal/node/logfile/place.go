package logfile

import (
	"os"
	"path/filepath"
)

// name is that of the log file in a data folder.
const name = "debug.log"

// DaemonLog returns the path of the chain daemon's log: in dataDir, which its
// configuration names, else in the folder of FLUXD_PATH, else in ~/.flux, or
// the older ~/.zelcash where only that exists. On the test network the file is
// in the folder testnet3 there, where that has one. dataDir and what getenv
// returns may be "". The file need not exist.
func DaemonLog(dataDir string, getenv func(string) string, home string, testnet bool) string {
	folder := choose(dataDir, getenv("FLUXD_PATH"), filepath.Join(home, ".flux"), filepath.Join(home, ".zelcash"))
	if path := filepath.Join(folder, "testnet3", name); testnet && exists(path) {
		return path
	}
	return filepath.Join(folder, name)
}

// BenchmarkLog returns the path of the benchmark daemon's log: in the folder of
// FLUXBENCH_PATH, else in ~/.fluxbenchmark, or the older ~/.zelbenchmark where
// only that exists. The file need not exist.
func BenchmarkLog(getenv func(string) string, home string) string {
	return filepath.Join(choose("", getenv("FLUXBENCH_PATH"), filepath.Join(home, ".fluxbenchmark"), filepath.Join(home, ".zelbenchmark")), name)
}

// choose returns the first folder that is given, else the older one if only
// that exists.
func choose(configured, environment, present, older string) string {
	switch {
	case configured != "":
		return configured
	case environment != "":
		return environment
	case !exists(present) && exists(older):
		return older
	}
	return present
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
