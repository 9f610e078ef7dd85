package benchmark

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Facts are what other parts of the node ask the benchmark for.
type Facts struct {
	Source       string // SourceDaemon or SourceNative
	Address      string // as fluxbenchd knows the node, or natively as configured; "" unknown
	Architecture string // amd64 or arm64
	Board        string // of an ARM board, else ""
	Status       string // a tier, "running", "failed" or another word of failure
	Tier         Tier   // Status if it is a tier, else None
	Error        string
	SSD          float64 // GB
	DiskWrite    float64 // MB/s
	EPS          float64 // events per second
	RAM          float64 // GB
	Cores        int     // logical processors
	RealCores    int     // physical
	Download     float64 // Mbit/s, 0 when not measured
	Upload       float64
	Version      string // of fluxbenchd, or BenchVersion; "" when fluxbenchd doesn't tell
	SystemSecure bool
	Time         time.Time // of the measurement, zero for none
}

// Facts returns the figures of this node. With fluxbenchd they are as old as the
// replies that its Caller keeps (20 s), and the error is that of the call when
// it doesn't answer. Before a machine has been measured its figures are zero and
// Status says so.
func (s *Service) Facts(ctx context.Context) (Facts, error) {
	reply, err := s.GetBenchmarks(ctx)
	if err != nil {
		return Facts{}, err
	}
	f, err := parseFacts(reply)
	if err != nil {
		return Facts{}, fmt.Errorf("answer of %s to getbenchmarks: %w", s.Source(), err)
	}
	f.Source, f.Version = s.Source(), s.version(ctx)
	return f, nil
}

// version asks the source for its version; "" when it doesn't tell.
func (s *Service) version(ctx context.Context) string {
	reply, err := s.source.info(ctx)
	var info struct {
		Version string `json:"version"`
	}
	if err != nil || json.Unmarshal(reply, &info) != nil {
		return ""
	}
	return info.Version
}

// parseFacts reads an answer to getbenchmarks. Releases differ in members and
// in whether a number is one or a text; what is missing is zero.
func parseFacts(reply []byte) (Facts, error) {
	var b struct {
		Address      string `json:"ipaddress"`
		Architecture string `json:"architecture"`
		Board        string `json:"armboard"`
		Status       string `json:"status"`
		Error        string `json:"error"`
		Time         number `json:"time"`
		RealCores    number `json:"real_cores"`
		Cores        number `json:"cores"`
		RAM          number `json:"ram"`
		SSD          number `json:"ssd"`
		DiskWrite    number `json:"ddwrite"`
		EPS          number `json:"eps"`
		Download     number `json:"download_speed"`
		Upload       number `json:"upload_speed"`
		SystemSecure bool   `json:"systemsecure"`
	}
	if trimmed := bytes.TrimSpace(reply); len(trimmed) == 0 || trimmed[0] != '{' {
		return Facts{}, errors.New("want an object")
	}
	if err := json.Unmarshal(reply, &b); err != nil {
		return Facts{}, err
	}
	f := Facts{
		Address: b.Address, Architecture: b.Architecture, Board: b.Board, Status: b.Status, Error: b.Error,
		SSD: float64(b.SSD), DiskWrite: float64(b.DiskWrite), EPS: float64(b.EPS), RAM: float64(b.RAM),
		Cores: int(b.Cores), RealCores: int(b.RealCores), Download: float64(b.Download), Upload: float64(b.Upload), SystemSecure: b.SystemSecure,
	}
	if IsTier(b.Status) {
		f.Tier = Tier(b.Status)
	}
	if b.Time > 0 {
		f.Time = time.Unix(int64(b.Time), 0)
	}
	return f, nil
}

// number is a figure that is not negative, written as a number or as a text.
type number float64

// maxNumber keeps figures within what every integer type here holds.
const maxNumber = 1 << 40

// UnmarshalJSON reads 4, 4.5 or "4"; null and "" are 0.
func (n *number) UnmarshalJSON(raw []byte) error {
	text := string(bytes.Trim(raw, `"`))
	if text == "" || text == "null" {
		*n = 0
		return nil
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || x < 0 || x > maxNumber {
		return fmt.Errorf("figure %.32q: want a number from 0 to %d", text, int64(maxNumber))
	}
	*n = number(x)
	return nil
}
