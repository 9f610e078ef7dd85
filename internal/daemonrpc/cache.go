package daemonrpc

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"
)

// Sharing says how far the reply to one call may serve another. The zero value
// shares nothing, so a method somebody forgot to classify is always sent.
type Sharing uint8

const (
	// ShareNothing: every call is sent. For effects, wallets and secrets.
	ShareNothing Sharing = iota
	// ShareFlight: identical calls in flight share one request; the reply is not kept.
	ShareFlight
	// ShareReply: as ShareFlight, and the reply serves for 20 seconds.
	ShareReply
	// ShareBlock: as ShareReply, in the bucket of blocks; a deeply buried block serves for an hour.
	ShareBlock
	// ShareTransaction: as ShareBlock, for transactions.
	ShareTransaction
)

const (
	shortLife = 20 * time.Second
	longLife  = time.Hour

	// buriedDepth is the number of confirmations beyond which a block or
	// transaction is taken as settled.
	buriedDepth = 100
)

// bucketLimits bounds what one bucket holds, in entries and in bytes of replies.
type bucketLimits struct {
	entries int
	bytes   int
}

func limitsOf(s Sharing) bucketLimits {
	switch s {
	case ShareBlock:
		return bucketLimits{entries: 150, bytes: 64 << 20}
	case ShareTransaction:
		return bucketLimits{entries: 300, bytes: 16 << 20}
	case ShareReply:
		return bucketLimits{entries: 50, bytes: 96 << 20}
	}
	return bucketLimits{}
}

// replyCache keeps successful replies for a short time. When a bucket is full,
// the entries nearest to their expiry make room; a reply larger than its bucket
// is not kept at all. Replies that are null, false, 0 or "" are not kept: they
// often mean "not yet".
type replyCache struct {
	now func() time.Time

	mu      sync.Mutex
	buckets map[Sharing]*bucket // under mu
}

type bucket struct {
	limits  bucketLimits
	bytes   int
	entries map[string]entry
}

type entry struct {
	reply   json.RawMessage
	asked   time.Time // when the call was sent
	expires time.Time
}

func newReplyCache(now func() time.Time) *replyCache {
	return &replyCache{now: now, buckets: make(map[Sharing]*bucket)}
}

// get returns a live reply. Callers share its bytes and must not write to them.
func (c *replyCache) get(s Sharing, key string) (json.RawMessage, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.buckets[s]
	if b == nil {
		return nil, false
	}
	e, ok := b.entries[key]
	if !ok || !c.now().Before(e.expires) {
		return nil, false
	}
	return e.reply, true
}

// put keeps a reply to a call sent at asked, unless a later call was answered already.
func (c *replyCache) put(s Sharing, key string, reply json.RawMessage, asked time.Time) {
	limits := limitsOf(s)
	if limits.entries == 0 || len(reply) > limits.bytes || isFalsy(reply) {
		return
	}
	life := shortLife
	if s != ShareReply && confirmations(reply) > buriedDepth {
		life = longLife
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.buckets[s]
	if b == nil {
		b = &bucket{limits: limits, entries: make(map[string]entry)}
		c.buckets[s] = b
	}
	if old, ok := b.entries[key]; ok {
		if old.asked.After(asked) {
			return
		}
		b.remove(key)
	}
	now := c.now()
	b.makeRoom(now, len(reply))
	b.bytes += len(reply)
	b.entries[key] = entry{reply: reply, asked: asked, expires: now.Add(life)}
}

func (b *bucket) remove(key string) {
	b.bytes -= len(b.entries[key].reply)
	delete(b.entries, key)
}

// makeRoom drops what has expired, then what expires next, until a reply of
// size bytes fits. A bucket is small, so a scan is cheaper than an order to keep.
func (b *bucket) makeRoom(now time.Time, size int) {
	for key, e := range b.entries {
		if !now.Before(e.expires) {
			b.remove(key)
		}
	}
	for len(b.entries) >= b.limits.entries || b.bytes+size > b.limits.bytes {
		var next string
		var soonest time.Time
		for key, e := range b.entries {
			if next == "" || e.expires.Before(soonest) {
				next, soonest = key, e.expires
			}
		}
		b.remove(next)
	}
}

// isFalsy reports the replies that JavaScript takes for false.
func isFalsy(reply json.RawMessage) bool {
	const longest = 32 // bytes, of a zero written at length; spares a large reply the look
	if len(reply) > longest {
		return false
	}
	switch string(reply) {
	case "null", "false", `""`:
		return true
	}
	// A number without a digit 1 to 9 in its mantissa is a zero.
	mantissa, _, _ := bytes.Cut(bytes.ToLower(reply), []byte("e"))
	return len(mantissa) > 0 && len(bytes.Trim(mantissa, "-0.")) == 0
}

// confirmations reads the depth of a block or transaction from the reply that
// describes it; 0 when it does not say.
func confirmations(reply json.RawMessage) int64 {
	if len(reply) == 0 || reply[0] != '{' {
		return 0
	}
	var described struct {
		Confirmations int64 `json:"confirmations"`
	}
	if err := json.Unmarshal(reply, &described); err != nil {
		return 0
	}
	return described.Confirmations
}
