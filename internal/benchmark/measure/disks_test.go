package measure

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// machine is a tree of /sys and /proc that a test fills.
type machine struct {
	t      *testing.T
	root   string
	minor  int
	mounts strings.Builder
	sizes  map[string]int // GiB of the file system on a mount point
	number map[string]string
}

func newMachine(t *testing.T) *machine {
	return &machine{t: t, root: t.TempDir(), sizes: map[string]int{}, number: map[string]string{}}
}

// disk adds a whole device; size in GiB.
func (m *machine) disk(name string, size int, rotational string) {
	m.device(name, filepath.Join("sys/devices/pci/block", name), size)
	writeFile(m.t, m.sys(name, "queue/rotational"), rotational+"\n")
}

// partition adds one of a device that exists.
func (m *machine) partition(of, name string, size int) {
	m.device(name, filepath.Join("sys/devices/pci/block", of, name), size)
	writeFile(m.t, m.sys(name, "partition"), "1\n")
}

// volume adds a device made of others; alias is the device mapper's name.
func (m *machine) volume(name, alias string, size int, of ...string) {
	m.disk(name, size, "0")
	if alias != "" {
		writeFile(m.t, m.sys(name, "dm/name"), alias+"\n")
	}
	for _, o := range of {
		writeFile(m.t, filepath.Join(m.root, "sys/devices/pci/block", name, "slaves", o), "")
	}
}

func (m *machine) sys(name, file string) string {
	return filepath.Join(m.root, "sys/class/block", name, file)
}

func (m *machine) device(name, at string, size int) {
	m.minor++
	m.number[name] = fmt.Sprintf("8:%d", m.minor)
	writeFile(m.t, filepath.Join(m.root, at, "dev"), m.number[name]+"\n")
	writeFile(m.t, filepath.Join(m.root, at, "size"), fmt.Sprintln(size<<30/sector))
	if err := os.MkdirAll(filepath.Join(m.root, "sys/class/block"), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(m.root, at), filepath.Join(m.root, "sys/class/block", name)); err != nil {
		m.t.Fatal(err)
	}
}

// mount adds a mount; size in GiB of the file system.
func (m *machine) mount(device, subtree, point, options, fileSystem, source string, size int) {
	number, ok := m.number[device]
	if !ok {
		m.minor++
		number = fmt.Sprintf("0:%d", m.minor)
	}
	fmt.Fprintf(&m.mounts, "%d 1 %s %s %s %s,relatime shared:1 - %s %s %s\n", 20+m.minor, number, subtree, strings.ReplaceAll(point, " ", `\040`), options, fileSystem, source, options)
	m.sizes[point] = size
}

// simple mounts all of a device that is called by its name.
func (m *machine) simple(device, point string, size int) {
	m.mount(device, "/", point, "rw", "ext4", "/dev/"+device, size)
}

func (m *machine) system() system {
	writeFile(m.t, filepath.Join(m.root, "proc/self/mountinfo"), m.mounts.String())
	return system{root: m.root, statfs: func(path string, to *unix.Statfs_t) error {
		size, ok := m.sizes[path]
		if !ok {
			return errors.New("no such mount point")
		}
		*to = unix.Statfs_t{Bsize: 1 << 20, Frsize: 4096, Blocks: uint64(size) << 18, Bfree: uint64(size) << 17, Bavail: uint64(size) << 16}
		return nil
	}}
}

const gib = 1 << 30

func TestDiskRules(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(m *machine)
		want  []Disk
	}{
		{"partitions: the largest file system, the disk's name and size", func(m *machine) {
			m.disk("sda", 500, "0")
			m.partition("sda", "sda1", 1)
			m.partition("sda", "sda2", 499)
			m.simple("sda2", "/", 490)
			m.simple("sda1", "/boot", 1)
		}, []Disk{{Name: "sda", Kind: SSD, Size: 500 * gib, Free: 245 * gib, Usable: 490 * gib / 4, Mount: "/", FileSystem: "ext4"}}},

		{"kinds, and what is no disk", func(m *machine) {
			m.disk("nvme0n1", 900, "0")
			m.disk("sdb", 4000, "1")
			m.disk("sdc", 100, "")
			m.disk("mmcblk0", 64, "0")
			m.disk("loop0", 30, "0")
			m.disk("zram0", 8, "0")
			m.disk("sr0", 4, "1")
			m.disk("sdd", 2, "0")
			m.disk("sde", 3000, "0") // not mounted
			m.simple("nvme0n1", "/", 900)
			m.simple("sdb", "/data", 4000)
			m.simple("sdc", "/odd", 100)
			m.simple("mmcblk0", "/card", 64)
			m.simple("loop0", "/snap", 30)
			m.simple("zram0", "/var/log", 8)
			m.simple("sr0", "/cdrom", 4)
			m.simple("sdd", "/small", 2)
		}, []Disk{
			{Name: "nvme0n1", Kind: NVMe, Size: 900 * gib, Free: 450 * gib, Usable: 225 * gib, Mount: "/", FileSystem: "ext4"},
			{Name: "sdb", Kind: HDD, Size: 4000 * gib, Free: 2000 * gib, Usable: 1000 * gib, Mount: "/data", FileSystem: "ext4"},
			{Name: "sdc", Kind: Unknown, Size: 100 * gib, Free: 50 * gib, Usable: 25 * gib, Mount: "/odd", FileSystem: "ext4"},
		}},

		{"logical volume over two disks, once", func(m *machine) {
			m.disk("sda", 100, "0")
			m.partition("sda", "sda1", 100)
			m.disk("sdb", 200, "1")
			m.volume("dm-0", "vg-root", 300, "sda1", "sdb")
			m.simple("dm-0", "/", 296)
		}, []Disk{{Name: "vg-root", Kind: HDD, Size: 300 * gib, Free: 148 * gib, Usable: 74 * gib, Mount: "/", FileSystem: "ext4"}}},

		{"array of NVMe disks, encrypted, and its partition", func(m *machine) {
			m.disk("nvme0n1", 800, "0")
			m.disk("nvme1n1", 800, "0")
			m.volume("md0", "", 800, "nvme0n1", "nvme1n1")
			m.partition("md0", "md0p1", 799)
			m.volume("dm-1", "secret", 799, "md0p1")
			m.simple("dm-1", "/", 792)
		}, []Disk{{Name: "secret", Kind: NVMe, Size: 799 * gib, Free: 396 * gib, Usable: 198 * gib, Mount: "/", FileSystem: "ext4"}}},

		{"partition of an array has the array's name", func(m *machine) {
			m.disk("nvme0n1", 800, "0")
			m.disk("sda", 800, "0")
			m.volume("md0", "", 800, "nvme0n1", "sda")
			m.partition("md0", "md0p1", 799)
			m.simple("md0p1", "/", 796)
		}, []Disk{{Name: "md0", Kind: SSD, Size: 800 * gib, Free: 398 * gib, Usable: 199 * gib, Mount: "/", FileSystem: "ext4"}}},

		{"btrfs subvolumes, found by their source", func(m *machine) {
			m.disk("sda", 100, "0")
			m.partition("sda", "sda3", 96)
			m.mount("", "/@", "/", "rw", "btrfs", "/dev/sda3", 96)
			m.mount("", "/@home", "/home", "rw", "btrfs", "/dev/sda3", 96)
		}, []Disk{{Name: "sda", Kind: SSD, Size: 100 * gib, Free: 48 * gib, Usable: 24 * gib, Mount: "/", FileSystem: "btrfs"}}},

		{"source in /dev/mapper", func(m *machine) {
			m.disk("sda", 100, "0")
			m.volume("dm-0", "vg-root", 96, "sda")
			m.mount("", "/@", "/", "rw", "btrfs", "/dev/mapper/vg-root", 96)
		}, []Disk{{Name: "vg-root", Kind: SSD, Size: 96 * gib, Free: 48 * gib, Usable: 24 * gib, Mount: "/", FileSystem: "btrfs"}}},

		{"of several places the one that can be written, then the shortest", func(m *machine) {
			m.disk("sda", 100, "0")
			m.simple("sda", "/a much longer path", 80)
			m.mount("sda", "/", "/ro", "ro", "ext4", "/dev/sda", 80)
			m.simple("sda", "/mnt/data", 80)
			m.mount("sda", "/docker", "/d", "rw", "ext4", "/dev/sda", 80)
			m.mount("", "/", "/", "rw", "overlay", "overlay", 10)
		}, []Disk{{Name: "sda", Kind: SSD, Size: 100 * gib, Free: 40 * gib, Usable: 20 * gib, Mount: "/mnt/data", FileSystem: "ext4"}}},

		{"a hidden mount is none", func(m *machine) {
			m.disk("sda", 100, "0")
			m.disk("sdb", 200, "0")
			m.simple("sda", "/", 96)
			m.simple("sdb", "/data", 200)
			m.mount("", "/", "/data", "ro", "tmpfs", "tmpfs", 1)
		}, []Disk{{Name: "sda", Kind: SSD, Size: 100 * gib, Free: 48 * gib, Usable: 24 * gib, Mount: "/", FileSystem: "ext4"}}},

		{"read-only disk", func(m *machine) {
			m.disk("sda", 100, "0")
			m.mount("sda", "/", "/", "ro", "xfs", "/dev/sda", 96)
		}, []Disk{{Name: "sda", Kind: SSD, Size: 100 * gib, Free: 48 * gib, Usable: 24 * gib, Mount: "/", FileSystem: "xfs", ReadOnly: true}}},

		{"container: only files of a disk are mounted", func(m *machine) {
			m.disk("sda", 100, "0")
			m.mount("", "/", "/", "rw", "overlay", "overlay", 96)
			m.mount("sda", "/docker/hosts", "/etc/hosts", "rw", "ext4", "/dev/sda", 96)
		}, []Disk{{Name: "overlay", Size: 96 * gib, Free: 48 * gib, Usable: 24 * gib, Mount: "/", FileSystem: "overlay"}}},

		{"container: root on a loop device", func(m *machine) {
			m.disk("loop3", 64, "0")
			m.disk("sda", 100, "0")
			m.simple("loop3", "/", 60)
			m.simple("sda", "/data", 100)
		}, []Disk{{Name: "loop3", Kind: SSD, Size: 64 * gib, Free: 30 * gib, Usable: 15 * gib, Mount: "/", FileSystem: "ext4"}}},

		{"no /sys at all", func(m *machine) {
			m.mount("", "/", "/", "rw", "overlay", "overlay", 96)
		}, []Disk{{Name: "overlay", Size: 96 * gib, Free: 48 * gib, Usable: 24 * gib, Mount: "/", FileSystem: "overlay"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(t)
			c.build(m)
			got, err := m.system().disks(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDisksWithoutARootMountIsAnError(t *testing.T) {
	m := newMachine(t)
	_, err := m.system().disks(t.Context())
	wantError(t, err, "nothing is mounted on /")
}

func TestDevicesThatNameEachOtherEnd(t *testing.T) {
	devices := map[string]device{"a": {name: "a", below: []string{"b"}}, "b": {name: "b", below: []string{"a"}}}
	if got := bases(devices, devices["a"]); len(got) != 0 {
		t.Errorf("got disks %v, want none", got)
	}
	if got := owner(devices, devices["a"]).name; got != "a" && got != "b" {
		t.Errorf("got owner %q", got)
	}
}

func TestVolumeIsTheInnermostMount(t *testing.T) {
	m := newMachine(t)
	m.disk("sda", 100, "0")
	m.disk("sdb", 50, "1")
	m.simple("sda", "/", 96)
	m.simple("sdb", "/data/my apps", 48)
	s := m.system()
	for path, want := range map[string]string{
		"/": "sda", "/data": "sda", "/data/my appsx": "sda", "/data/my apps": "sdb", "/data/my apps/x/y": "sdb",
	} {
		got, err := s.volume(t.Context(), path)
		if err != nil || got.Name != want {
			t.Errorf("%s: got %s, %v; want %s", path, got.Name, err, want)
		}
	}
}

func TestBytesMovedAreSectorsOf512(t *testing.T) {
	root := t.TempDir()
	writeFile(t, filepath.Join(root, "sys/dev/block/8:0/stat"), "   9 8 4 6 5 4 6 2 1 0 0\n")
	read, written, ok := system{root: root}.moved("8:0")
	if read != 2048 || written != 3072 || !ok {
		t.Errorf("got %d read, %d written, %v; want 2048, 3072, true", read, written, ok)
	}
	if _, _, ok := (system{root: root}).moved("0:9"); ok {
		t.Error("a device that does not tell is known")
	}
}

func TestMountinfoLinesThatAreRefused(t *testing.T) {
	for _, line := range []string{
		"",
		"22 27 0:21 / /proc rw,relatime - proc proc",
		"22 27 0:21 / /proc - proc proc rw",
		"22 27 0:21 / proc rw - proc proc rw",
	} {
		_, err := parseMount(line)
		wantError(t, err, "mountinfo line")
	}
}

func FuzzMountinfo(f *testing.F) {
	f.Add("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard\n")
	f.Add("36 35 98:0 /mnt1 /mnt\\0402 ro,noatime master:1 shared:3 - ext3 /dev/root rw,errors=continue\n")
	f.Add("1 2 0:1 / /\\777\\04 rw - a b c\n")
	f.Fuzz(func(t *testing.T, text string) {
		mounts, err := parseMounts(text)
		if err != nil {
			return
		}
		for _, m := range mounts {
			if !filepath.IsAbs(m.point) {
				t.Errorf("mount point %q is not absolute", m.point)
			}
			if got, ok := holding(mounts, m.point); !ok || !under(got.point, m.point) {
				t.Errorf("%q is held by %q, %v", m.point, got.point, ok)
			}
		}
		if n := len(visible(mounts)); n > len(mounts) || (n == 0) != (len(mounts) == 0) {
			t.Errorf("%d of %d mounts are visible", n, len(mounts))
		}
	})
}
