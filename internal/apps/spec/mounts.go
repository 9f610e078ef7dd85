package spec

import (
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/jsjson"
)

// MountKind is where the data of a mount lies.
type MountKind string

// The kinds, in the network's words.
const (
	MountPrimary            MountKind = "primary"             // the data folder of the component
	MountDirectory          MountKind = "directory"           // a further folder of its volume
	MountFile               MountKind = "file"                // a file of its volume
	MountComponentPrimary   MountKind = "component_primary"   // the data folder of another component
	MountComponentDirectory MountKind = "component_directory" // a further folder of another component
	MountComponentFile      MountKind = "component_file"      // a file of another component
)

// primaryFolder is the folder of a volume that holds the primary data.
const primaryFolder = "appdata"

const maxMountName = 255

// Mount is one part of a component's containerData.
type Mount struct {
	Kind      MountKind
	Component int    // 0-based, of the kinds that name another component
	Name      string // folder or file in the volume
	Path      string // in the container
	Flags     string // of the primary mount: r, g, s, in this order
}

// IsFile reports whether the mount is a file rather than a folder.
func (m Mount) IsFile() bool { return m.Kind == MountFile || m.Kind == MountComponentFile }

// IsLocal reports whether the data lies in the component's own volume.
func (m Mount) IsLocal() bool {
	return m.Kind == MountPrimary || m.Kind == MountDirectory || m.Kind == MountFile
}

// ParseMounts reads a component's containerData, parts divided by "|". The
// first part is the primary mount.
func ParseMounts(data string) ([]Mount, error) {
	if data == "" {
		return nil, invalid("containerData must be a non-empty string")
	}
	parts := strings.Split(data, "|")
	mounts := make([]Mount, len(parts))
	for i, part := range parts {
		var err error
		switch {
		case part == "":
			err = invalid("Invalid mount definition at index %d", i)
		case i == 0:
			mounts[i], err = parsePrimary(part)
		default:
			mounts[i], err = parseFurther(part, i)
		}
		if err != nil {
			return nil, err
		}
	}
	paths, names := map[string]bool{}, map[string]bool{}
	for _, m := range mounts {
		if paths[m.Path] {
			return nil, invalid("Duplicate container paths found: %s", m.Path)
		}
		paths[m.Path] = true
	}
	for _, m := range mounts {
		if !m.IsLocal() {
			continue
		}
		if names[m.Name] {
			return nil, invalid("Duplicate subdirectory/filename found: %s", m.Name)
		}
		names[m.Name] = true
	}
	return mounts, nil
}

func parsePrimary(part string) (Mount, error) {
	m := Mount{Kind: MountPrimary, Name: primaryFolder, Path: part}
	if flags, path, ok := strings.Cut(part, ":"); ok {
		if flags == "" || strings.Trim(flags, "rgs") != "" || strings.Contains(path, ":") {
			return m, invalid("Invalid primary mount syntax: %s", part)
		}
		m.Path = path
		for _, flag := range []string{"r", "g", "s"} {
			if strings.Contains(flags, flag) {
				m.Flags += flag
			}
		}
	}
	return m, checkPath(m.Path)
}

func parseFurther(part string, at int) (Mount, error) {
	f := strings.Split(part, ":")
	var m Mount
	switch {
	case f[0] == "m":
		m.Kind = MountDirectory
		if len(f) != 3 {
			return m, invalid("Invalid directory mount syntax: %s. Expected m:<subdir>:<path>", part)
		}
	case f[0] == "f":
		m.Kind = MountFile
		if len(f) != 3 {
			return m, invalid("Invalid file mount syntax: %s. Expected f:<filename>:<path>", part)
		}
	case f[0] == "c":
		m.Kind = MountComponentDirectory
		if len(f) != 4 {
			return m, invalid("Invalid component directory mount syntax: %s. Expected c:<number>:<subdir>:<path>", part)
		}
	case f[0] == "cf":
		m.Kind = MountComponentFile
		if len(f) != 4 {
			return m, invalid("Invalid component file mount syntax: %s. Expected cf:<number>:<filename>:<path>", part)
		}
	case len(f) == 2 && f[0] != "" && strings.Trim(f[0], "0123456789") == "":
		m.Kind, m.Name, m.Path = MountComponentPrimary, primaryFolder, f[1]
	default:
		return m, invalid("Unknown mount syntax at index %d: %s", at, part)
	}
	index := f[0] // of another component
	if m.Kind == MountComponentDirectory || m.Kind == MountComponentFile {
		index = f[1]
	}
	if !m.IsLocal() {
		n, ok := leadingNumber(index)
		if !ok {
			return m, invalid("Invalid component index in: %s", part)
		}
		m.Component = n
	}
	if m.Kind != MountComponentPrimary {
		m.Name, m.Path = f[len(f)-2], f[len(f)-1]
		if err := checkMountName(m.Name); err != nil {
			return m, err
		}
	}
	return m, checkPath(m.Path)
}

// leadingNumber reads the digits that a text begins with, as parseInt does.
func leadingNumber(s string) (int, bool) {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.Atoi(s[:end])
	return n, err == nil
}

func checkPath(path string) error {
	switch {
	case path == "":
		return invalid("Mount path must be a non-empty string")
	case path[0] != '/':
		return invalid("Mount path must be absolute (start with /)")
	case strings.Contains(path, ".."):
		return invalid("Mount path cannot contain \"..\" (directory traversal)")
	case strings.ContainsRune(path, 0):
		return invalid("Mount path cannot contain null bytes")
	}
	return nil
}

func checkMountName(name string) error {
	switch {
	case name == "":
		return invalid("Subdirectory/filename must be a non-empty string")
	case strings.Contains(name, "/") || strings.Contains(name, ".."):
		return invalid("Subdirectory/filename cannot contain \"/\" or \"..\"")
	case name == primaryFolder || name == "backup" || name == ".":
		return invalid("Subdirectory/filename cannot be a reserved name: appdata, backup, ., ..")
	case strings.ContainsAny(name, "<>:\"|?*\x00"):
		return invalid("Subdirectory/filename contains invalid characters")
	case jsjson.Units(name) > maxMountName:
		return invalid("Subdirectory/filename too long (max %d characters)", maxMountName)
	}
	return nil
}

// SyncMode is how a component's primary data is shared among the nodes that run
// it: "g", one active primary; "r", all receive and send; "s", a plain share;
// "" for none, also when containerData doesn't parse.
func SyncMode(data string) string {
	mounts, err := ParseMounts(data)
	if err != nil {
		return ""
	}
	for _, mode := range []string{"g", "r", "s"} {
		if strings.Contains(mounts[0].Flags, mode) {
			return mode
		}
	}
	return ""
}

// Bind is a mount with the volume that it comes from.
type Bind struct {
	Volume string // identifier of the component that owns the volume
	Name   string // folder or file in the volume
	Path   string // in the container
	File   bool
}

// Binds returns the mounts of the i-th component. A component may only use
// volumes of components before it; versions 1 to 3 only their own.
func (s *Spec) Binds(i int) ([]Bind, error) {
	mounts, err := ParseMounts(s.Components[i].ContainerData)
	if err != nil {
		return nil, err
	}
	binds := make([]Bind, len(mounts))
	for j, m := range mounts {
		of := i
		switch {
		case m.IsLocal():
		case s.Version <= 3 && m.Component != 0:
			return nil, invalid("Non-compose apps can only reference component 0 (self)")
		case m.Component >= len(s.Components):
			return nil, invalid("Invalid component index: %d. Valid range: 0-%d", m.Component, len(s.Components)-1)
		case s.Version > 3 && m.Component >= i:
			return nil, invalid("Component %d cannot reference component %d. Components can only reference components with lower indices.", i, m.Component)
		default:
			of = m.Component
		}
		binds[j] = Bind{Volume: s.Identifier(of), Name: m.Name, Path: m.Path, File: m.IsFile()}
	}
	return binds, nil
}
