package api

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of the reply cache: a reply over maxCachedReply is not kept, and all
// together hold at most about cacheBytes.
const (
	maxCachedReply = 8 << 20
	cacheBytes     = 64 << 20
	cacheReplies   = 4096
)

// replyCache keeps whole successful replies of public rows by path and query.
// When the young generation is full it becomes the old one, and the old one is
// dropped. Errors are never kept.
type replyCache struct {
	now func() time.Time

	mu         sync.RWMutex
	young, old map[string]*cachedReply
	bytes      int // of young
}

type cachedReply struct {
	reply
	until time.Time
}

func newReplyCache(now func() time.Time) *replyCache {
	return &replyCache{now: now, young: make(map[string]*cachedReply)}
}

// get returns a fresh reply and the seconds that it has left.
func (k *replyCache) get(key string) (*cachedReply, int) {
	k.mu.RLock()
	c := k.young[key]
	if c == nil {
		c = k.old[key]
	}
	k.mu.RUnlock()
	if c == nil {
		return nil, 0
	}
	left := c.until.Sub(k.now())
	if left <= 0 {
		return nil, 0
	}
	return c, int((left + time.Second - 1) / time.Second)
}

func (k *replyCache) put(key string, r reply, ttl time.Duration) {
	size := r.size + len(key) + 256
	if size > maxCachedReply {
		return
	}
	c := &cachedReply{r, k.now().Add(ttl)}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.bytes+size > cacheBytes/2 || len(k.young) >= cacheReplies/2 {
		k.old, k.young, k.bytes = k.young, make(map[string]*cachedReply), 0
	}
	k.young[key] = c
	k.bytes += size
}

// forget drops the replies of these paths, whatever their query and letter case.
func (k *replyCache) forget(paths ...string) {
	gone := func(key string, _ *cachedReply) bool {
		path, _, _ := strings.Cut(key, "?")
		return slices.ContainsFunc(paths, func(p string) bool { return strings.EqualFold(strings.TrimSuffix(path, "/"), p) })
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.young, gone) // their bytes go with the generation
	maps.DeleteFunc(k.old, gone)
}
