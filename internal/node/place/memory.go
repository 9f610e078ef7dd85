package place

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

// memoryTime is how long the memory may take to load or save.
const memoryTime = 5 * time.Second

// Memory keeps one record over restarts. Load returns the zero record when
// nothing was saved yet; an error means that it isn't known what was saved, and
// then nothing is saved over it.
type Memory[T any] interface {
	Load(ctx context.Context) (T, error)
	Save(ctx context.Context, record T) error
}

// Known is an address that a Finder holds.
type Known struct {
	Addr    netip.Addr `json:"addr"`
	Source  Source     `json:"source"`
	Since   time.Time  `json:"since"`   // when it was first found
	Checked time.Time  `json:"checked"` // when it was last found
}

// Change is a change of the IPv4 address.
type Change struct {
	Old netip.Addr `json:"old"`
	New netip.Addr `json:"new"`
	At  time.Time  `json:"at"`
}

// AddressRecord is what a Finder remembers.
type AddressRecord struct {
	V4 Known `json:"v4,omitzero"`
	V6 Known `json:"v6,omitzero"`
	// Changes are those of the IPv4 address, the oldest first.
	Changes []Change `json:"changes,omitempty"`
}

// usable drops what can't be true of a remembered address, so that a record
// that was edited or written by another version does no harm.
func (k Known) usable(f family) Known {
	if !k.Addr.IsValid() || familyOf(k.Addr) != f || Unroutable(k.Addr) != "" {
		return Known{}
	}
	return k
}

// complaint logs an error when it begins or becomes another one, not while it
// lasts. It belongs to one goroutine.
type complaint struct{ last string }

// hear takes the outcome of one attempt.
func (c *complaint) hear(log *slog.Logger, message string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
		if text != c.last {
			log.Warn(message, logattr.Err(err))
		}
	}
	c.last = text
}
