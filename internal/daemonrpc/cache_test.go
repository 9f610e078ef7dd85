package daemonrpc

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// clock is a settable time source.
type clock struct{ t time.Time }

func newClock() *clock                   { return &clock{t: time.Unix(1_700_000_000, 0)} }
func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func TestRepliesLiveAsLongAsTheyAreTrue(t *testing.T) {
	tests := []struct {
		name    string
		sharing Sharing
		reply   string
		life    time.Duration // 0: not kept
	}{
		{"any reply", ShareReply, `{"a":1}`, 20 * time.Second},
		{"deep reply of another method", ShareReply, `{"confirmations":5000}`, 20 * time.Second},
		{"deep block", ShareBlock, `{"hash":"x","confirmations":101}`, time.Hour},
		{"shallow block", ShareBlock, `{"hash":"x","confirmations":100}`, 20 * time.Second},
		{"orphaned block", ShareBlock, `{"hash":"x","confirmations":-1}`, 20 * time.Second},
		{"block as text", ShareBlock, `"00ff"`, 20 * time.Second},
		{"block without depth", ShareBlock, `{"hash":"x"}`, 20 * time.Second},
		{"depth inside", ShareBlock, `{"tx":[{"confirmations":500}]}`, 20 * time.Second},
		{"depth as text", ShareBlock, `{"confirmations":"500"}`, 20 * time.Second},
		{"deep transaction", ShareTransaction, `{"confirmations":500}`, time.Hour},
		{"null", ShareReply, `null`, 0},
		{"false", ShareReply, `false`, 0},
		{"zero", ShareReply, `0`, 0},
		{"decimal zero", ShareReply, `-0.00`, 0},
		{"zero with exponent", ShareReply, `0e10`, 0},
		{"empty text", ShareReply, `""`, 0},
		{"empty list", ShareReply, `[]`, 20 * time.Second},
		{"number", ShareReply, `0.10`, 20 * time.Second},
		{"true", ShareReply, `true`, 20 * time.Second},
		{"flight only", ShareFlight, `{"a":1}`, 0},
		{"nothing shared", ShareNothing, `{"a":1}`, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			clock := newClock()
			c := newReplyCache(clock.now)
			c.put(tt.sharing, "k", json.RawMessage(tt.reply), clock.now())
			_, kept := c.get(tt.sharing, "k")
			if want := tt.life > 0; kept != want {
				t.Fatalf("kept %v, want %v", kept, want)
			}
			if !kept {
				return
			}
			clock.advance(tt.life - time.Millisecond)
			if got, ok := c.get(tt.sharing, "k"); !ok || string(got) != tt.reply {
				t.Errorf("before its end: %s, %v", got, ok)
			}
			clock.advance(time.Millisecond)
			if _, ok := c.get(tt.sharing, "k"); ok {
				t.Error("still there after its life")
			}
		})
	}
}

func TestReplyToAnEarlierCallDoesNotReplaceALaterOne(t *testing.T) {
	clock := newClock()
	c := newReplyCache(clock.now)
	early := clock.now()
	clock.advance(time.Second)
	c.put(ShareReply, "k", json.RawMessage(`2`), clock.now())
	c.put(ShareReply, "k", json.RawMessage(`1`), early)
	if got, _ := c.get(ShareReply, "k"); string(got) != "2" {
		t.Errorf("got %s, want 2", got)
	}
}

func TestFullBucketDropsWhatExpiresNext(t *testing.T) {
	clock := newClock()
	c := newReplyCache(clock.now)
	limit := limitsOf(ShareBlock).entries
	c.put(ShareBlock, "deep", json.RawMessage(`{"confirmations":500}`), clock.now())
	for i := range limit {
		clock.advance(time.Millisecond)
		c.put(ShareBlock, fmt.Sprint("shallow", i), json.RawMessage(`{"confirmations":1}`), clock.now())
	}
	for key, want := range map[string]bool{"deep": true, "shallow0": false, "shallow1": true, fmt.Sprint("shallow", limit-1): true} {
		if _, ok := c.get(ShareBlock, key); ok != want {
			t.Errorf("%s is there: %v, want %v", key, ok, want)
		}
	}
	if _, ok := c.get(ShareTransaction, "deep"); ok {
		t.Error("buckets are not separate")
	}
}

func TestReplyLargerThanItsBucketIsNotKept(t *testing.T) {
	clock := newClock()
	c := newReplyCache(clock.now)
	c.put(ShareTransaction, "small", json.RawMessage(`1`), clock.now())
	c.put(ShareTransaction, "huge", make(json.RawMessage, limitsOf(ShareTransaction).bytes+1), clock.now())
	if _, ok := c.get(ShareTransaction, "huge"); ok {
		t.Error("the huge reply was kept")
	}
	if _, ok := c.get(ShareTransaction, "small"); !ok {
		t.Error("the huge reply pushed out a small one")
	}
}

// Whatever is put, the bounds hold and the byte count is that of the entries.
func TestCacheBoundsHold(t *testing.T) {
	big := make(json.RawMessage, 40<<20)
	rapid.Check(t, func(t *rapid.T) {
		clock := newClock()
		c := newReplyCache(clock.now)
		for range rapid.IntRange(1, 120).Draw(t, "puts") {
			clock.advance(time.Duration(rapid.IntRange(0, 3000).Draw(t, "ms")) * time.Millisecond)
			reply := json.RawMessage(`{"confirmations":500}`)
			if rapid.Bool().Draw(t, "big") {
				reply = big
			}
			sharing := rapid.SampledFrom([]Sharing{ShareReply, ShareBlock, ShareTransaction}).Draw(t, "bucket")
			c.put(sharing, fmt.Sprint(rapid.IntRange(0, 80).Draw(t, "key")), reply, clock.now())
		}
		for sharing, b := range c.buckets {
			total := 0
			for _, e := range b.entries {
				total += len(e.reply)
			}
			limits := limitsOf(sharing)
			if total != b.bytes || total > limits.bytes || len(b.entries) > limits.entries {
				t.Fatalf("bucket %d: %d entries, %d bytes, counted %d", sharing, len(b.entries), total, b.bytes)
			}
		}
	})
}
