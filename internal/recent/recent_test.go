package recent

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func TestValuesLiveForTheirTime(t *testing.T) {
	now := time.Unix(0, 0)
	m := New[string, int](time.Minute, 10, func() time.Time { return now })
	m.Put("a", 1, m.Begin())
	if v, ok := m.Get("a"); !ok || v != 1 {
		t.Errorf("fresh: %v %v", v, ok)
	}
	now = now.Add(time.Minute + 1)
	if v, ok := m.Get("a"); ok || v != 0 {
		t.Errorf("after its time: %v %v", v, ok)
	}
}

// A value read from the store before a removal is stale after it.
func TestPutAfterRemoveIsForgotten(t *testing.T) {
	m := New[string, int](time.Minute, 10, time.Now)
	epoch := m.Begin()
	m.Remove("a")
	m.Put("a", 1, epoch)
	if _, ok := m.Get("a"); ok {
		t.Error("a stale value was kept")
	}
	m.Put("a", 2, m.Begin())
	m.Put("b", 3, m.Begin())
	m.Remove()
	if _, ok := m.Get("b"); ok {
		t.Error("Remove without keys left something")
	}
}

func TestMemoryIsBounded(t *testing.T) {
	m := New[string, int](time.Hour, 100, time.Now)
	for i := range 10000 {
		m.Put(strconv.Itoa(i), i, m.Begin())
		if n := len(m.young) + len(m.old); n > 200 {
			t.Fatalf("%d values kept, want at most 200", n)
		}
	}
	if v, ok := m.Get("9999"); !ok || v != 9999 {
		t.Error("the newest value is gone")
	}
}

func TestConcurrentUse(t *testing.T) {
	m := New[int, int](time.Hour, 50, time.Now)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				m.Put(i%70, i, m.Begin())
				m.Get((i + g) % 70)
				if i%100 == 0 {
					m.Remove(i % 70)
				}
			}
		})
	}
	wg.Wait()
}
