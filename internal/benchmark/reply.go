package benchmark

import "runtime"

// Sources of figures.
const (
	SourceDaemon = "fluxbenchd"
	SourceNative = "native"
)

// States of a benchmark that is no tier.
const (
	StatusRunning = "running"
	StatusFailed  = "failed"
)

// Benchmarks is the answer to getbenchmarks, in the order and with the names,
// types and units of fluxbenchd, and with the source in addition.
type Benchmarks struct {
	Address      string     `json:"ipaddress"` // with ":port" unless the API port is 16127
	Architecture string     `json:"architecture"`
	ARMBoard     string     `json:"armboard"`
	Status       string     `json:"status"`     // a Tier, StatusRunning or StatusFailed
	Time         int64      `json:"time"`       // Unix seconds of the measurement, 0 for none
	RealCores    int        `json:"real_cores"` // physical
	Cores        int        `json:"cores"`      // logical processors
	RAM          float64    `json:"ram"`        // GiB, one decimal
	SSD          float64    `json:"ssd"`        // GiB counted as SSD, two decimals
	HDD          float64    `json:"hdd"`        // GiB counted as HDD
	DiskWrite    float64    `json:"ddwrite"`    // MiB/s
	TotalStorage float64    `json:"totalstorage"`
	Disks        []DiskInfo `json:"disksinfo"`
	EPS          float64    `json:"eps"` // CPU events/s, see Result.EPS
	EPSSingle    float64    `json:"eps_singlethread"`
	EPSMulti     float64    `json:"eps_multithread"`
	Ping         float64    `json:"ping"`           // ms
	Download     float64    `json:"download_speed"` // Mbit/s
	Upload       float64    `json:"upload_speed"`
	BenchVersion string     `json:"bench_version"`
	SpeedVersion string     `json:"speed_version"`
	SystemSecure bool       `json:"systemsecure"`
	Thunder      bool       `json:"thunder"`
	Error        string     `json:"error"` // empty when fine
	Source       string     `json:"source"`
}

// DiskInfo is one disk of Benchmarks.
type DiskInfo struct {
	Disk       string  `json:"disk"`
	Size       float64 `json:"size"`       // GiB, two decimals
	WriteSpeed float64 `json:"writespeed"` // MiB/s, 0 when not measured
}

// Reply shows a native result of the node with that address as fluxbenchd would.
// A machine that passes no tier has failed, and the error is the first
// requirement it missed.
func Reply(r Result, address string) Benchmarks {
	b := Benchmarks{
		Address: address, Architecture: r.Host.Architecture, ARMBoard: r.Host.Board,
		Time: r.Time.Unix(), RealCores: r.Host.RealCores, Cores: r.Host.Cores, RAM: rounded(r.RAM(), 1),
		SSD: rounded(r.SSD(), 2), HDD: rounded(r.HDD(), 2), DiskWrite: rounded(r.DiskWrite(), 2),
		TotalStorage: rounded(r.SSD()+r.HDD(), 2), Disks: []DiskInfo{},
		EPS: rounded(r.EPS(), 2), EPSSingle: rounded(r.CPU.Single.Median, 2), EPSMulti: rounded(r.CPU.Multi.Median, 2),
		Ping: rounded(r.Network.Ping.Median, 3), Download: rounded(r.Network.Download.Median, 3), Upload: rounded(r.Network.Upload.Median, 3),
		BenchVersion: BenchVersion, SpeedVersion: speedVersion, Source: SourceNative,
	}
	for _, d := range r.Disks {
		b.Disks = append(b.Disks, DiskInfo{d.Name, rounded(gib(d.Size), 2), rounded(d.write(), 2)})
	}
	verdicts := Tiers(r)
	if tier := Highest(verdicts); tier != None {
		b.Status = string(tier)
		return b
	}
	b.Status, b.Error = StatusFailed, FirstMissed(verdicts[0])
	return b
}

// unmeasured is the answer to getbenchmarks before there is a result.
func unmeasured(address, status, reason string) Benchmarks {
	return Benchmarks{
		Address: address, Architecture: runtime.GOARCH, Status: status, Error: reason, Disks: []DiskInfo{},
		BenchVersion: BenchVersion, SpeedVersion: speedVersion, Source: SourceNative,
	}
}
