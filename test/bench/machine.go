package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine is what the figures depend on besides the programs.
type machine struct {
	CPU    string `json:"cpu"` // model name, as the kernel tells it
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"`
	Load   string `json:"load_average"` // over 1, 5 and 15 minutes, before the measurement
	Go     string `json:"go"`           // that built this program
}

// thisMachine reads /proc. What can't be read is "unknown".
func thisMachine() machine {
	read := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(b))
	}
	load := strings.Fields(read("/proc/loadavg"))
	return machine{
		CPU:    orUnknown(cpuModel([]byte(read("/proc/cpuinfo")))),
		Cores:  runtime.NumCPU(),
		Kernel: orUnknown(read("/proc/sys/kernel/osrelease")),
		Load:   orUnknown(strings.Join(load[:min(3, len(load))], " ")),
		Go:     runtime.Version(),
	}
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// cpuModel returns the first model name of /proc/cpuinfo, or "".
func cpuModel(cpuinfo []byte) string {
	for line := range bytes.Lines(cpuinfo) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// binaryFacts tell one fluxosd from another.
type binaryFacts struct {
	Path  string            `json:"path"`
	Bytes int64             `json:"bytes"`
	Go    string            `json:"go"`
	Build map[string]string `json:"build"` // the settings it was built with
}

// inspect reads what the Go toolchain wrote into a binary.
func inspect(path string) (binaryFacts, error) {
	st, err := os.Stat(path)
	if err != nil {
		return binaryFacts{}, err
	}
	if !st.Mode().IsRegular() || st.Mode()&0o111 == 0 {
		return binaryFacts{}, fmt.Errorf("%s is not a program", path)
	}
	info, err := buildinfo.ReadFile(path)
	if err != nil {
		return binaryFacts{}, fmt.Errorf("%s is not a Go program: %w", path, err)
	}
	f := binaryFacts{Path: path, Bytes: st.Size(), Go: info.GoVersion, Build: make(map[string]string)}
	for _, s := range info.Settings {
		f.Build[s.Key] = s.Value
	}
	return f, nil
}
