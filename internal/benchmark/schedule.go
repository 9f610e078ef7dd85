package benchmark

import (
	"hash/fnv"
	"math"
	"time"
)

const (
	// spread is the part of Every by which nodes differ, so that they don't
	// measure against the same servers at the same time.
	spread = 0.1
	// firstRetry is the pause after a failed run; it doubles with each failure
	// up to the time between two runs.
	firstRetry = 10 * time.Minute
)

// schedule says when a run is due. Every 0 means never by itself.
type schedule struct {
	every      time.Duration
	startDelay time.Duration
	share      float64 // 0 to 1, different from node to node, always the same on one
}

// shareOf gives a node its place between 0 and 1.
func shareOf(nodeID string) float64 {
	h := fnv.New64a()
	h.Write([]byte(nodeID)) // never fails
	// FNV's low bits mix well, its high ones don't for short texts.
	return float64(uint32(h.Sum64()^h.Sum64()>>32)) / (math.MaxUint32 + 1)
}

// first is when the first run after a start is due. A last result that is too
// old, missing, or from the future (the clock was wrong) means soon.
func (s schedule) first(start time.Time, last *Result) time.Time {
	if s.every <= 0 {
		return time.Time{}
	}
	soon := start.Add(s.startDelay + s.part(s.startDelay))
	if last == nil || last.Time.After(start) {
		return soon
	}
	if due := s.after(last.Time); due.After(soon) {
		return due
	}
	return soon
}

// after is when a run is due after one that ended well at t.
func (s schedule) after(t time.Time) time.Time {
	if s.every <= 0 {
		return time.Time{}
	}
	return t.Add(s.every + s.part(time.Duration(spread*float64(s.every))))
}

// retry is when a run is due after so many that failed in a row, the last at t.
func (s schedule) retry(t time.Time, failures int) time.Time {
	if s.every <= 0 {
		return time.Time{}
	}
	pause := firstRetry
	for range failures - 1 {
		if pause >= s.every {
			break
		}
		pause *= 2
	}
	pause = min(pause, s.every)
	return t.Add(pause + s.part(time.Duration(spread*float64(pause))))
}

// part is this node's share of d.
func (s schedule) part(d time.Duration) time.Duration { return time.Duration(s.share * float64(d)) }
