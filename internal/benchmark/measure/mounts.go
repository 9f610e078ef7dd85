package measure

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// root is where the kernel's and the distribution's files are looked for; tests
// use others.
const root = "/"

// mount is one line of /proc/self/mountinfo, proc(5).
type mount struct {
	device     string // "major:minor"
	subtree    string // of the file system that is mounted: "/" for all of it
	point      string
	fileSystem string // "ext4"
	source     string // "/dev/sda1", "tmpfs"
	readOnly   bool
}

func readMounts(root string) ([]mount, error) {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return parseMounts(string(text))
}

// parseMounts parses mountinfo. The lines of one mount point are in the order
// of mounting: the last one hides the others.
func parseMounts(text string) ([]mount, error) {
	var mounts []mount
	for line := range strings.Lines(text) {
		m, err := parseMount(strings.TrimRight(line, "\n"))
		if err != nil {
			return nil, err
		}
		mounts = append(mounts, m)
	}
	return mounts, nil
}

// parseMount parses "ID parent major:minor subtree point options [tags] -
// type source options".
func parseMount(line string) (mount, error) {
	fields := strings.Split(line, " ")
	dash := slices.Index(fields, "-")
	if dash < 6 || len(fields) < dash+4 {
		return mount{}, fmt.Errorf("mountinfo line %q: want 6 fields or more, a dash, and 3 more", line)
	}
	m := mount{
		device:     fields[2],
		subtree:    unescape(fields[3]),
		point:      unescape(fields[4]),
		fileSystem: unescape(fields[dash+1]),
		source:     unescape(fields[dash+2]),
	}
	if !path.IsAbs(m.point) {
		return mount{}, fmt.Errorf("mountinfo line %q: mount point %q is not an absolute path", line, m.point)
	}
	for _, options := range []string{fields[5], fields[dash+3]} {
		if slices.Contains(strings.Split(options, ","), "ro") {
			m.readOnly = true
		}
	}
	return m, nil
}

// unescape replaces the kernel's octal escapes ("\040" for a space).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && s[i+1] <= '3' && octal(s[i+1]) && octal(s[i+2]) && octal(s[i+3]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(c byte) bool { return '0' <= c && c <= '7' }

// visible drops the mounts that a later one on the same point hides.
func visible(mounts []mount) []mount {
	last := make(map[string]int)
	for i, m := range mounts {
		last[m.point] = i
	}
	var list []mount
	for i, m := range mounts {
		if last[m.point] == i {
			list = append(list, m)
		}
	}
	return list
}

// holding returns the mount that holds the absolute, resolved path.
func holding(mounts []mount, name string) (mount, bool) {
	var best mount
	found := false
	for _, m := range visible(mounts) {
		if under(m.point, name) && (!found || len(m.point) > len(best.point)) {
			best, found = m, true
		}
	}
	return best, found
}

// under says whether name is folder or below it.
func under(folder, name string) bool {
	if folder == "/" || folder == name {
		return true
	}
	return strings.HasPrefix(name, folder) && name[len(folder)] == '/'
}
