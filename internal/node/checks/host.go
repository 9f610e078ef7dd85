package checks

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
)

// Free space of the data folder's file system at which it counts as full and
// as low: whichever of the share and the size is reached first.
const (
	fullShare, fullBytes = 0.01, 100 << 20
	lowShare, lowBytes   = 0.05, 2 << 30
)

// Offsets of the clock, in seconds, from which others notice, and from which
// they refuse what this node signs.
const (
	clockDrifts = 1.0
	clockOff    = 10.0
)

// HostConfig is what the checks of this machine look at.
type HostConfig struct {
	DataDir string
	// ClockOffset returns how far the clock is ahead, in seconds (negative: it is
	// slow), and who says so; nil when nobody knows.
	ClockOffset func(ctx context.Context) (offset *float64, source string)
	// Files is how many files the daemon may need open at once.
	Files int
}

// Host returns the checks of this machine.
func Host(c HostConfig) []doctor.Check {
	return []doctor.Check{
		{Name: diskSpace, Title: "Disk space", Look: c.disk, Problems: []health.Problem{
			problem("disk-full", health.Critical, "The disk of the data folder is full",
				"Free space there: old logs, images of Docker (docker system df), backups. Nothing is deleted by itself."),
			problem("disk-low", health.Warning, "The disk of the data folder is almost full",
				"Free space there before it is full, or move node.data_dir."),
		}},
		{Name: clock, Title: "Clock", Every: 5 * time.Minute, Timeout: 15 * time.Second, Look: c.clock, Problems: []health.Problem{
			problem("clock-off", health.Critical, "The clock of this machine is wrong",
				"Install chrony, or set the time (timedatectl set-ntp true): other nodes refuse what comes from another time."),
			problem("clock-drifting", health.Warning, "The clock of this machine is inexact",
				"Install chrony, or switch systemd-timesyncd on (timedatectl set-ntp true)."),
		}},
		{Name: openFiles, Title: "Open files", Every: time.Hour, Look: c.files, Problems: []health.Problem{
			problem("open-files-low", health.Warning, "The daemon may open fewer files than it serves connections",
				"Raise LimitNOFILE in fluxosd's unit, or lower api.max_connections."),
		}},
	}
}

func (c HostConfig) disk(context.Context) doctor.Finding {
	dir := c.DataDir
	var st syscall.Statfs_t
	err := syscall.Statfs(dir, &st)
	for errors.Is(err, syscall.ENOENT) && dir != "/" { // where it will be made
		dir = filepath.Dir(dir)
		err = syscall.Statfs(dir, &st)
	}
	if err != nil {
		return doctor.Unknown("%s: %v", dir, err)
	}
	return room(st, dir)
}

// room judges what a file system has left for everybody.
func room(st syscall.Statfs_t, dir string) doctor.Finding {
	size, free := float64(st.Blocks)*float64(st.Bsize), float64(st.Bavail)*float64(st.Bsize)
	fact := fmt.Sprintf("%s of %s free at %s", bytesText(free), bytesText(size), dir)
	switch {
	case st.Files > 0 && st.Ffree == 0:
		return doctor.Bad("disk-full", "no file can be made at %s: its file system has no inodes left", dir)
	case free < fullBytes || free < size*fullShare:
		return doctor.Bad("disk-full", "%s", fact)
	case free < lowBytes || free < size*lowShare:
		return doctor.Bad("disk-low", "%s", fact)
	}
	return doctor.Fine("%s", fact)
}

// bytesText writes a size in decimal units, as disks are sold.
func bytesText(b float64) string {
	switch {
	case b >= 1e12:
		return fmt.Sprintf("%.1f TB", b/1e12)
	case b >= 1e9:
		return fmt.Sprintf("%.1f GB", b/1e9)
	}
	return fmt.Sprintf("%.0f MB", b/1e6)
}

func (c HostConfig) clock(ctx context.Context) doctor.Finding {
	offset, source := c.ClockOffset(ctx)
	if offset == nil {
		return doctor.Unknown("neither chrony nor systemd-timesyncd nor a time server tells the offset").
			Advising("Install chrony, or name a server that answers in network.time_servers.")
	}
	way := "fast"
	if *offset < 0 {
		way = "slow"
	}
	fact := fmt.Sprintf("%.3f s %s, says %s", math.Abs(*offset), way, source)
	switch {
	case math.Abs(*offset) >= clockOff:
		return doctor.Bad("clock-off", "%s", fact)
	case math.Abs(*offset) >= clockDrifts:
		return doctor.Bad("clock-drifting", "%s", fact)
	}
	return doctor.Fine("%s", fact)
}

// spareFiles are needed beside connections: databases, logs, clients.
const spareFiles = 256

func (c HostConfig) files(context.Context) doctor.Finding {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return doctor.Unknown("%v", err)
	}
	if l.Cur < uint64(c.Files+spareFiles) {
		return doctor.Bad("open-files-low", "%d files for up to %d connections", l.Cur, c.Files)
	}
	return doctor.Fine("up to %d", l.Cur)
}
