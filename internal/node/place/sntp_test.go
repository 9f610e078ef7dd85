package place

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"strings"
	"testing"
	"time"
)

// ntpPacket is the length of an NTP header (RFC 5905, section 7.3), in bytes.
const ntpPacket = 48

// responder is a small NTP server. The zero behaviour answers with the host's
// own time.
type responder struct {
	offset time.Duration // of its clock to the host's
	// mangle changes the answer before it's sent; nil doesn't, and an empty
	// result is silence.
	mangle func([]byte) []byte
}

// serve starts the responder on a free UDP port of the loopback and returns its
// address. It ends with the test.
func (r responder) serve(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n < ntpPacket {
				continue
			}
			answer := r.answer(buf[:n])
			if r.mangle != nil {
				answer = r.mangle(answer)
			}
			if len(answer) > 0 {
				conn.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return conn.LocalAddr().String()
}

func (r responder) answer(question []byte) []byte {
	now := ntpTime(time.Now().Add(r.offset))
	a := make([]byte, ntpPacket)
	a[0] = 4<<3 | 4                                  // version 4, mode server
	a[1] = 2                                         // stratum
	a[2] = 6                                         // poll, log₂ s
	a[3] = 0xe9                                      // precision: 2⁻²³ s
	binary.BigEndian.PutUint32(a[4:], 1<<8)          // root delay
	binary.BigEndian.PutUint32(a[8:], 1<<8)          // root dispersion
	binary.BigEndian.PutUint64(a[16:], now-(10<<32)) // reference time: 10 s ago
	copy(a[24:32], question[40:48])                  // origin
	binary.BigEndian.PutUint64(a[32:], now)          // receive
	binary.BigEndian.PutUint64(a[40:], now+1)        // transmit
	return a
}

// ntpTime is the NTP timestamp: seconds since 1900, 32 bits of them binary
// places.
func ntpTime(t time.Time) uint64 {
	const from1900to1970 = 2208988800
	return uint64(t.Unix()+from1900to1970)<<32 | uint64(t.Nanosecond())<<32/uint64(time.Second)
}

func kissOfDeath(a []byte) []byte {
	a[0] |= 3 << 6
	a[1] = 0
	copy(a[12:16], "RATE")
	return a
}

func garbage([]byte) []byte { return []byte("HTTP/1.1 400 Bad Request\r\n\r\n") }

func silence([]byte) []byte { return nil }

func notSynced(a []byte) []byte {
	a[0] |= 3 << 6
	return a
}

func otherOrigin(a []byte) []byte {
	a[24] ^= 1
	return a
}

func staleReference(a []byte) []byte {
	binary.BigEndian.PutUint64(a[16:], binary.BigEndian.Uint64(a[40:])-uint64(100*24*3600)<<32)
	return a
}

func TestNTPServersTellTheOffset(t *testing.T) {
	// The exchange takes part in the figure; a busy machine is given some time.
	const slack = 0.2
	good := responder{}
	for _, c := range []struct {
		name    string
		servers []responder
		want    float64
		err     string
	}{
		{name: "a clock that is right", servers: []responder{good, good}},
		{name: "a slow clock", servers: []responder{{offset: 90 * time.Second}, {offset: 90 * time.Second}}, want: -90},
		{name: "a fast clock", servers: []responder{{offset: -3 * time.Second}, {offset: -3 * time.Second}, {offset: -3 * time.Second}}, want: 3},
		{name: "a liar among three", servers: []responder{good, {offset: time.Hour}, good}},
		{name: "two that disagree", servers: []responder{good, {offset: 3 * time.Second}}, err: "the servers disagree by 3."},
		{name: "kiss of death", servers: []responder{good, {mangle: kissOfDeath}}, err: "1 servers answered, want 2; 127.0.0.1:"},
		{name: "kiss of death among three", servers: []responder{good, {mangle: kissOfDeath}, good}},
		{name: "garbage", servers: []responder{{mangle: garbage}, {mangle: garbage}}, err: "0 servers answered"},
		{name: "a server that isn't synchronised", servers: []responder{good, {mangle: notSynced}}, err: "1 servers answered"},
		{name: "an answer to another question", servers: []responder{good, {mangle: otherOrigin}}, err: "1 servers answered"},
		{name: "a server that lost its reference", servers: []responder{good, {mangle: staleReference}}, err: "1 servers answered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var at []string
			for _, s := range c.servers {
				at = append(at, s.serve(t))
			}
			got, err := askServers(t.Context(), at)
			if c.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.err) || got != 0 {
					t.Errorf("got %v, %v, want %q", got, err, c.err)
				}
				return
			}
			if err != nil || math.Abs(got-c.want) > slack {
				t.Errorf("got %v, %v, want about %v", got, err, c.want)
			}
		})
	}
}

func TestSilentNTPServersAreLeft(t *testing.T) {
	at := []string{responder{mangle: silence}.serve(t), responder{mangle: silence}.serve(t)}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := askServers(ctx, at); err == nil {
		t.Error("silence gave an offset")
	}
	if took := time.Since(began); took > sntpTimeout/2 {
		t.Errorf("took %v although the caller had given up after 100 ms", took)
	}
}

func TestClockFallsBackToNTP(t *testing.T) {
	s := responder{offset: 10 * time.Second}
	k, err := NewClock(ClockConfig{Run: tools{}.run, Servers: []string{s.serve(t), s.serve(t)}})
	if err != nil {
		t.Fatal(err)
	}
	k.look(t.Context())
	if r := k.Reading(); r.Source != "ntp" || r.Offset == nil || math.Abs(*r.Offset+10) > 1 {
		t.Errorf("got %+v, Problem() = %q", r, k.Problem())
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		offsets []float64
		want    float64
		ok      bool
	}{
		{offsets: nil},
		{offsets: []float64{1}},
		{[]float64{1, 1.5}, 1.25, true},
		{[]float64{-0.1, 0.3, 0.1}, 0.1, true},
		{[]float64{0, 0.1, 5, 9}, 0, false},
		{[]float64{0, 5, 9}, 0, false},
		{[]float64{9, 0, 0.2, 0.1}, 0.15, true},
	} {
		got, err := median(c.offsets)
		if (err == nil) != c.ok || math.Abs(got-c.want) > 1e-9 {
			t.Errorf("median(%v) = %v, %v, want %v", c.offsets, got, err, c.want)
		}
	}
}

func TestNTPServersAreChecked(t *testing.T) {
	for want, servers := range map[string][]string{
		"":                         {"ntp.example.com", "192.0.2.1:123", "[2001:db8::1]:123"},
		"want none or 2 to 8":      {"ntp.example.com"},
		"want none or 2 to 8, not": strings.Fields("a b c d e f g h i"),
		`"a b": want a host name`:  {"a b", "c"},
		`"": want a host name`:     {"", "c"},
		`"-h/x": want a host`:      {"-h/x", "c"},
		`"c": listed twice`:        {"c", "c"},
	} {
		_, err := NewClock(ClockConfig{Servers: servers})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: got %v, want %q", servers, err, want)
		}
	}
}

// FuzzNTPAnswer sends whatever it's given from a real server. The question
// holds 64 random bits that an answer has to repeat, so nothing is believed.
func FuzzNTPAnswer(f *testing.F) {
	f.Add([]byte{})
	f.Add(garbage(nil))
	f.Add(make([]byte, ntpPacket))
	f.Add(make([]byte, 1000))
	f.Fuzz(func(t *testing.T, answer []byte) {
		if len(answer) == 0 {
			answer = []byte{0} // silence has a test of its own
		}
		answer = answer[:min(len(answer), 1024)]
		bad := responder{mangle: func([]byte) []byte { return answer }}
		offset, err := askServer(t.Context(), bad.serve(t))
		if err == nil {
			t.Errorf("an answer to no question gave %v", offset)
		}
	})
}
