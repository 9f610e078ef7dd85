package edit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

var (
	// ErrNoFile is wrapped when the daemon runs without a configuration file.
	ErrNoFile = errors.New("the daemon was started without a configuration file")

	// ErrBusy is wrapped when somebody else keeps changing the file, or holds
	// its lock.
	ErrBusy = errors.New("the configuration file is being changed by somebody else")

	// ErrRefused is wrapped when nothing was written because of what the file
	// says or would say. Errors of Config.Check come with it.
	ErrRefused = errors.New("the configuration file is unchanged")
)

const (
	// attempts bounds how often an edit is made again because the file changed.
	attempts = 3

	// lockTimeout bounds waiting for another writer, which needs milliseconds.
	lockTimeout = 10 * time.Second
)

// Config says which file is edited.
type Config struct {
	// Path of the file, which may be a symbolic link; "" if there is none. A file
	// that doesn't exist is made by the first Set, readable by its owner only.
	Path string
	// Check is asked whether the daemon could start with a new content of the
	// file before that is written. Required.
	Check func(file []byte) error
	// Logger hears of every change, without values; nil discards.
	Logger *slog.Logger
}

// File edits a configuration file. Its methods may be called at the same time;
// edits, also those of other processes, are made one after the other.
type File struct {
	cfg Config
	log *slog.Logger
}

// New returns an editor. It opens nothing.
func New(cfg Config) (*File, error) {
	if cfg.Check == nil {
		return nil, errors.New("edit the configuration: Config.Check is required")
	}
	f := &File{cfg: cfg, log: cfg.Logger}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	return f, nil
}

// Set gives keys, such as node.kadena, new values: all of them or, with an
// error, none. A value is a text, a bool, an integer, or a slice or map with
// text keys of these; a time.Duration is written as 1m30s, a secret.Text as the
// text it hides. A nil slice is the empty list. The new values count from the
// next start of the daemon, unless a variable or a flag sets the same key.
//
// Errors wrap ErrNoFile, ErrBusy, ErrRefused, the error of the file system
// (fs.ErrPermission, syscall.EROFS, syscall.ENOSPC), or that of ctx.
func (f *File) Set(ctx context.Context, values map[string]any) error {
	var changes []change
	for _, key := range slices.Sorted(maps.Keys(values)) {
		v, err := valueOf(values[key])
		if err != nil {
			return fmt.Errorf("%w: %s: %w", ErrRefused, key, err)
		}
		changes = append(changes, change{key, &v})
	}
	return f.edit(ctx, changes)
}

// Unset removes keys from the file, so that their defaults count. Keys that the
// file doesn't have are passed over. Errors are those of Set.
func (f *File) Unset(ctx context.Context, keys ...string) error {
	var changes []change
	for _, key := range slices.Compact(slices.Sorted(slices.Values(keys))) {
		changes = append(changes, change{key: key})
	}
	return f.edit(ctx, changes)
}

func (f *File) edit(ctx context.Context, changes []change) error {
	if err := checkKeys(changes); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if len(changes) == 0 {
		return nil
	}
	if f.cfg.Path == "" {
		return byHand(changes)
	}
	for range attempts {
		err := f.once(ctx, changes)
		if !errors.Is(err, errChanged) {
			return err
		}
		f.log.Debug("Configuration file changed during an edit", slog.String("file", f.cfg.Path))
	}
	return fmt.Errorf("edit %s: %w: it changed during each of %d attempts", f.cfg.Path, ErrBusy, attempts)
}

// checkKeys refuses keys that can't be meant.
func checkKeys(changes []change) error {
	for _, c := range changes {
		for part := range strings.SplitSeq(c.key, ".") {
			if part == "" || strings.Trim(part, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "" {
				return fmt.Errorf("the key %q: want words of a-z, 0-9, _ and - joined by dots, for example node.kadena", c.key)
			}
		}
		for _, other := range changes {
			if strings.HasPrefix(other.key, c.key+".") {
				return fmt.Errorf("%s holds %s: want one of them", c.key, other.key)
			}
		}
	}
	return nil
}

// byHand says how to make a change without a file.
func byHand(changes []change) error {
	var keys, variables []string
	for _, c := range changes {
		keys = append(keys, c.key)
		variables = append(variables, "FLUXOSD_"+strings.ToUpper(strings.ReplaceAll(c.key, ".", "_")))
	}
	return fmt.Errorf("%w: set %s by hand in one and start the daemon with --config FILE, or set %s where the daemon is started",
		ErrNoFile, strings.Join(keys, ", "), strings.Join(variables, ", "))
}

// errChanged says that the file isn't what the edit began with.
var errChanged = errors.New("the file changed meanwhile")

// once makes the changes on what the file holds now.
func (f *File) once(ctx context.Context, changes []change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	target, err := resolve(f.cfg.Path)
	if err != nil {
		return explain(err, f.cfg.Path)
	}
	lock, err := lockFolder(ctx, target)
	if err != nil {
		return explain(err, target)
	}
	defer lock.release()
	if err := removeLeftovers(target); err != nil {
		f.log.Warn("Leftover of an interrupted edit can't be removed", slog.String("file", target), slog.Any("err", err))
	}

	old, err := read(target)
	if errors.Is(err, fs.ErrNotExist) {
		if changes = only(changes); len(changes) == 0 {
			return nil
		}
		old, err = snapshot{}, nil
	}
	if err != nil {
		return explain(err, target)
	}
	data, err := rewrite(old.data, changes)
	if err != nil {
		return fmt.Errorf("%w: %s %w", ErrRefused, target, err)
	}
	if bytes.Equal(data, old.data) {
		return nil
	}
	if err := f.cfg.Check(data); err != nil {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	err = replace(target, old, data, func() error {
		if again, err := resolve(f.cfg.Path); err != nil || again != target {
			return errors.Join(errChanged, err)
		}
		return ctx.Err()
	})
	if err != nil {
		return explain(err, target)
	}
	keys := make([]string, len(changes))
	for i, c := range changes {
		keys[i] = c.key
	}
	f.log.Info("Configuration file changed", slog.String("file", target), slog.String("keys", strings.Join(keys, ",")))
	return nil
}

// only leaves the changes that set something.
func only(changes []change) []change {
	return slices.DeleteFunc(slices.Clone(changes), func(c change) bool { return c.to == nil })
}
