package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Disk is a file system that is mounted, and what it lies on.
type Disk struct {
	// Name is that of the disk (sda, nvme0n1); of the logical volume or array
	// (vg-data, md0) when the file system lies on one; the mount's source
	// (tmpfs) when there is no block device.
	Name       string `json:"name"`
	Kind       Kind   `json:"kind"`
	Size       uint64 `json:"size_bytes"`   // of the device called Name, or of the file system when there is none
	Free       uint64 `json:"free_bytes"`   // in the file system
	Usable     uint64 `json:"usable_bytes"` // of Free, what unprivileged users may fill
	Mount      string `json:"mount"`        // absolute path
	FileSystem string `json:"file_system"`  // "ext4"
	ReadOnly   bool   `json:"read_only"`
}

// smallestDisk: a device up to this size in bytes is none that applications
// could use.
const smallestDisk = 2 << 30

// sector is the unit of size and stat files in /sys, whatever the device's own.
const sector = 512

// ReadDisks returns the disks of this machine that have a mounted file system:
// block devices of type disk larger than 2 GiB, except mmcblk0, each with the
// largest file system on it, also through logical volumes and arrays, which are
// returned once. A machine that shows no such device, or whose root lies on a
// loop device, is like a container: the file system of "/" is its only disk.
func ReadDisks(ctx context.Context) ([]Disk, error) {
	return system{root: root, statfs: unix.Statfs}.disks(ctx)
}

// VolumeOf returns the file system that holds path, which must exist. A network
// file system whose server is gone can hold it longer than ctx.
func VolumeOf(ctx context.Context, path string) (Disk, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return Disk{}, fmt.Errorf("volume of %s: %w", path, err)
	}
	resolved, err := filepath.EvalSymlinks(absolute)
	if err != nil {
		return Disk{}, fmt.Errorf("volume of %s: %w", path, err)
	}
	return system{root: root, statfs: unix.Statfs}.volume(ctx, resolved)
}

// system is where facts about disks come from.
type system struct {
	root   string // holds proc and sys
	statfs func(path string, to *unix.Statfs_t) error
}

// device is a block device of /sys/class/block.
type device struct {
	name   string
	number string // "major:minor"
	size   uint64 // bytes
	// below are the devices it is made of: the disk of a partition, the members
	// of an array. Empty for a disk.
	below []string
	// volume: a logical volume, array, or the like.
	volume     bool
	rotational string // "1", "0", "" unknown
	alias      string // the device mapper's name: "vg-data"
}

func (d device) shown() string { return cmp.Or(d.alias, d.name) }

// devices reads all block devices, by name.
func (s system) devices() (map[string]device, error) {
	folder := filepath.Join(s.root, "sys/class/block")
	entries, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // a container without /sys
	}
	if err != nil {
		return nil, fmt.Errorf("read block devices: %w", err)
	}
	list := make(map[string]device)
	for _, e := range entries {
		at := filepath.Join(folder, e.Name())
		d := device{name: e.Name(), number: line(at, "dev"), alias: line(at, "dm/name"), rotational: line(at, "queue/rotational")}
		if sectors, err := strconv.ParseUint(line(at, "size"), 10, 54); err == nil {
			d.size = sectors * sector
		}
		if line(at, "partition") != "" {
			// The link leads into the folder of the whole disk.
			if target, err := filepath.EvalSymlinks(at); err == nil {
				d.below = []string{filepath.Base(filepath.Dir(target))}
			}
		} else if members, err := os.ReadDir(filepath.Join(at, "slaves")); err == nil {
			for _, m := range members {
				d.below = append(d.below, m.Name())
			}
			d.volume = len(d.below) > 0
		}
		list[d.name] = d
	}
	return list, nil
}

// line returns the text of a file in /sys without its line end, "" if there is
// none.
func line(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// isDisk says whether d is a disk whose file systems count.
func (d device) isDisk() bool {
	if len(d.below) > 0 || d.size <= smallestDisk || strings.HasPrefix(d.name, "mmcblk0") {
		return false
	}
	for _, prefix := range []string{"loop", "ram", "zram", "sr", "fd", "dm-", "md"} {
		if strings.HasPrefix(d.name, prefix) {
			return false
		}
	}
	return true
}

// find returns the device that m is mounted from. File systems that span
// devices (btrfs) have a number of their own; their source names one of them.
func find(devices map[string]device, m mount) (device, bool) {
	for _, d := range devices {
		if d.number != "" && d.number == m.device {
			return d, true
		}
	}
	name, ok := strings.CutPrefix(m.source, "/dev/")
	if !ok {
		return device{}, false
	}
	if d, ok := devices[name]; ok {
		return d, true
	}
	mapped, ok := strings.CutPrefix(name, "mapper/")
	for _, d := range devices {
		if ok && d.alias == mapped {
			return d, true
		}
	}
	return device{}, false
}

// bases returns the names of all disks that d lies on, sorted.
func bases(devices map[string]device, d device) []string {
	found := make(map[string]bool)
	seen := make(map[string]bool) // against a loop in what the files say
	queue := []string{d.name}
	for len(queue) > 0 {
		name := queue[0]
		queue = queue[1:]
		if seen[name] {
			continue
		}
		seen[name] = true
		if below := devices[name].below; len(below) > 0 {
			queue = append(queue, below...)
		} else {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// owner is the device that gives the disk its name and size: the volume that d
// is or is a partition of, else the disk.
func owner(devices map[string]device, d device) device {
	for range len(devices) { // so often at most, whatever the files say
		if d.volume || len(d.below) != 1 {
			break
		}
		above, ok := devices[d.below[0]]
		if !ok {
			break
		}
		d = above
	}
	return d
}

// kindOf tells the kind of d: rotating if any disk below rotates, NVMe if all
// are.
func kindOf(devices map[string]device, d device) Kind {
	kind := Unknown
	for i, name := range bases(devices, d) {
		k := Unknown
		switch rotational := devices[name].rotational; {
		case rotational == "1":
			return HDD
		case rotational == "0" && strings.HasPrefix(name, "nvme"):
			k = NVMe
		case rotational == "0":
			k = SSD
		}
		switch {
		case i == 0:
			kind = k
		case kind == Unknown || k == Unknown:
			kind = Unknown
		case k != kind:
			kind = SSD
		}
	}
	return kind
}

// candidate is a file system with the disks it lies on.
type candidate struct {
	Disk
	total  uint64 // bytes of the file system
	number string
	bases  []string
	whole  bool // all of the file system is mounted, not a folder of it
}

// disks is ReadDisks.
func (s system) disks(ctx context.Context) ([]Disk, error) {
	mounts, err := readMounts(s.root)
	if err != nil {
		return nil, err
	}
	devices, err := s.devices()
	if err != nil {
		return nil, err
	}
	rootMount, ok := holding(mounts, "/")
	if !ok {
		return nil, errors.New("read disks: nothing is mounted on /")
	}
	candidates, err := s.candidates(ctx, mounts, devices)
	if err != nil {
		return nil, err
	}
	if d, ok := find(devices, rootMount); len(candidates) == 0 || ok && strings.HasPrefix(d.name, "loop") {
		only, err := s.candidate(devices, rootMount)
		if err != nil {
			return nil, err
		}
		return []Disk{only.Disk}, nil
	}

	taken := make(map[string]bool) // file systems, by device number
	var list []Disk
	for _, name := range slices.Sorted(maps.Keys(devices)) {
		if !devices[name].isDisk() {
			continue
		}
		// The candidates are sorted: the first one on this disk is its largest.
		i := slices.IndexFunc(candidates, func(c candidate) bool { return slices.Contains(c.bases, name) })
		if i >= 0 && !taken[candidates[i].number] {
			taken[candidates[i].number] = true
			list = append(list, candidates[i].Disk)
		}
	}
	return list, nil
}

// candidates returns the file systems on disks, the largest first, each once.
// Of the places where one is mounted the one that shows all of it and can be
// written comes first, then the shortest path.
func (s system) candidates(ctx context.Context, mounts []mount, devices map[string]device) ([]candidate, error) {
	var list []candidate
	for _, m := range visible(mounts) {
		if err := ctx.Err(); err != nil {
			return nil, context.Cause(ctx)
		}
		// A folder of a file system is a bind mount, except on btrfs, where a
		// system's root is one.
		if m.subtree != "/" && m.fileSystem != "btrfs" {
			continue
		}
		d, ok := find(devices, m)
		if !ok || !slices.ContainsFunc(bases(devices, d), func(name string) bool { return devices[name].isDisk() }) {
			continue
		}
		if c, err := s.candidate(devices, m); err == nil { // else out of our reach: a mount of another user, say
			list = append(list, c)
		}
	}
	slices.SortStableFunc(list, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(b.total, a.total),
			cmp.Compare(a.number, b.number),
			first(a.whole, b.whole),
			first(!a.ReadOnly, !b.ReadOnly),
			cmp.Compare(len(a.Mount), len(b.Mount)),
			cmp.Compare(a.Mount, b.Mount),
		)
	})
	return slices.CompactFunc(list, func(a, b candidate) bool { return a.number == b.number }), nil
}

// first orders the true one first.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// candidate describes what is mounted by m.
func (s system) candidate(devices map[string]device, m mount) (candidate, error) {
	var st unix.Statfs_t
	if err := s.statfs(m.point, &st); err != nil {
		return candidate{}, fmt.Errorf("size of the file system on %s: %w", m.point, err)
	}
	block := blockSize(&st)
	c := candidate{
		Disk: Disk{
			Name: m.source, Mount: m.point, FileSystem: m.fileSystem, ReadOnly: m.readOnly,
			Size: st.Blocks * block, Free: st.Bfree * block, Usable: st.Bavail * block,
		},
		total: st.Blocks * block, number: m.device, whole: m.subtree == "/",
	}
	if d, ok := find(devices, m); ok {
		o := owner(devices, d)
		c.Name, c.Size, c.Kind, c.bases = o.shown(), o.size, kindOf(devices, d), bases(devices, d)
	}
	return c, nil
}

// blockSize is the unit in bytes of the block counts of st.
func blockSize(st *unix.Statfs_t) uint64 {
	if st.Frsize > 0 {
		return uint64(st.Frsize)
	}
	return uint64(max(st.Bsize, 0)) // old file systems leave the other empty
}

// volume is VolumeOf for a resolved path.
func (s system) volume(ctx context.Context, path string) (Disk, error) {
	mounts, err := readMounts(s.root)
	if err != nil {
		return Disk{}, err
	}
	m, ok := holding(mounts, path)
	if !ok {
		return Disk{}, fmt.Errorf("volume of %s: no mount holds it", path)
	}
	devices, err := s.devices()
	if err != nil {
		return Disk{}, err
	}
	c, err := s.candidate(devices, m)
	if err != nil {
		return Disk{}, fmt.Errorf("volume of %s: %w", path, err)
	}
	return c.Disk, ctx.Err()
}

// moved returns the bytes that the device of the file system with this number
// has read and written since the start; false when it does not tell.
func (s system) moved(number string) (read, written uint64, ok bool) {
	// https://www.kernel.org/doc/Documentation/block/stat.txt: field 3 are
	// sectors read, field 7 sectors written.
	fields := strings.Fields(line(filepath.Join(s.root, "sys/dev/block", number), "stat"))
	if len(fields) < 7 {
		return 0, 0, false
	}
	r, errRead := strconv.ParseUint(fields[2], 10, 54)
	w, errWritten := strconv.ParseUint(fields[6], 10, 54)
	return r * sector, w * sector, errRead == nil && errWritten == nil
}
