package benchmark

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Tier is what a machine's hardware passes for, as fluxbenchd writes it.
type Tier string

const (
	None    Tier = ""
	Cumulus Tier = "CUMULUS"
	Nimbus  Tier = "NIMBUS"
	Stratus Tier = "STRATUS"
)

// IsTier reports whether a status of the benchmark is the name of a tier.
func IsTier(status string) bool {
	switch Tier(status) {
	case Cumulus, Nimbus, Stratus:
		return true
	}
	return false
}

// rank orders tiers; None is 0.
func (t Tier) rank() int { return slices.Index([]Tier{None, Cumulus, Nimbus, Stratus}, t) }

const (
	// ramTolerance: firmware reserves memory, an "8 GB" machine shows 7.6 to 7.8.
	ramTolerance = 0.02
	// boardRAM is what CUMULUS asks of an arm board, in GiB.
	boardRAM = 3
)

// need is what a tier asks of a machine.
type need struct {
	tier      Tier
	realCores float64
	threads   float64
	ram       float64 // GiB
	ssd       float64 // GiB
	eps       float64
	write     float64 // MiB/s
	advised   float64 // MiB/s that the network's documents ask for, 0 for no more than write
	amd64     bool
	net       float64 // Mbit/s each way
}

// tierNeeds lists the tiers from the lowest to the highest.
func tierNeeds() [3]need {
	return [3]need{
		{tier: Cumulus, realCores: 2, threads: 4, ram: 7, ssd: 220, eps: 240, write: 180, net: 25},
		{tier: Nimbus, realCores: 4, threads: 8, ram: 30, ssd: 440, eps: 640, write: 180, advised: 200, net: 50},
		{tier: Stratus, realCores: 8, threads: 16, ram: 61, ssd: 880, eps: 1520, write: 400, amd64: true, net: 100},
	}
}

// Verdict says whether a machine passes for one tier.
type Verdict struct {
	Tier         Tier          `json:"tier"`
	Passed       bool          `json:"passed"` // every requirement that is not advisory
	Requirements []Requirement `json:"requirements"`
}

// Requirement compares one figure with what a tier asks for.
type Requirement struct {
	Name        string  `json:"name"` // such as "disk write"
	Unit        string  `json:"unit"` // "" for counts
	Needed      float64 `json:"needed"`
	Recommended float64 `json:"recommended"` // more than needed, as advice; 0 for none
	Measured    float64 `json:"measured"`
	Passed      bool    `json:"passed"`
	Advisory    bool    `json:"advisory"` // not measured, and therefore not counted
	Text        string  `json:"text"`     // such as "NIMBUS: disk write 148 of 180 MB/s, 200 recommended"
}

// figures are what tiers are judged by.
type figures struct {
	architecture, board string
	realCores, cores    int
	ram, ssd            float64 // GiB
	eps, write          float64 // events/s, MiB/s
	down, up            float64 // Mbit/s
	network             bool    // whether down and up were measured
}

// figures without the speed of the processor, which depends on the others.
func (r Result) figures() figures {
	return figures{architecture: r.Host.Architecture, board: r.Host.Board, realCores: r.Host.RealCores, cores: r.Host.Cores,
		ram: r.RAM(), ssd: r.SSD(), write: r.DiskWrite(), down: r.Network.Download.Median, up: r.Network.Upload.Median, network: r.NetworkMeasured()}
}

// Tiers compares a result with the requirements of each tier, from the lowest
// to the highest. They are those of the network's own hardware check; exact
// limits of fluxbenchd may be more tolerant.
func Tiers(r Result) []Verdict {
	f := r.figures()
	f.eps = r.EPS()
	return judge(f)
}

// Tiers compares the figures with the requirements of each tier, whoever
// measured them; nil when there are none.
func (f Facts) Tiers() []Verdict {
	if f.Cores == 0 {
		return nil
	}
	return judge(figures{architecture: f.Architecture, board: f.Board, realCores: f.RealCores, cores: f.Cores, ram: f.RAM, ssd: f.SSD,
		eps: f.EPS, write: f.DiskWrite, down: f.Download, up: f.Upload, network: f.Download > 0 || f.Upload > 0})
}

func judge(f figures) (verdicts []Verdict) {
	for _, n := range tierNeeds() {
		verdicts = append(verdicts, n.judge(f))
	}
	return verdicts
}

// Highest returns the highest tier that was passed, or None. A machine that
// misses STRATUS only by its disk's speed or by its architecture is NIMBUS.
func Highest(verdicts []Verdict) Tier {
	best := None
	for _, v := range verdicts {
		if v.Passed {
			best = v.Tier
		}
	}
	return best
}

// FirstMissed returns the text of the first requirement that counts and was
// missed, or "".
func FirstMissed(v Verdict) string {
	for _, q := range v.Requirements {
		if !q.Passed && !q.Advisory {
			return q.Text
		}
	}
	return ""
}

func (n need) judge(f figures) Verdict {
	qs := append(n.size(f),
		n.require("CPU speed", "events/s", f.eps, n.eps),
		n.diskWrite(f),
	)
	if n.amd64 {
		qs = append(qs, n.architecture(f.architecture))
	}
	qs = append(qs,
		n.network("download", f.down, f.network),
		n.network("upload", f.up, f.network),
	)
	v := Verdict{Tier: n.tier, Requirements: qs}
	v.Passed = FirstMissed(v) == ""
	return v
}

// size are the requirements that decide what a machine is large enough for.
func (n need) size(f figures) []Requirement {
	ram := n.ram
	if n.tier == Cumulus && f.architecture == "arm64" && f.board != "" {
		ram = boardRAM
	}
	memory := n.require("memory", "GB", f.ram, ram)
	memory.Passed = f.ram*(1+ramTolerance) >= ram
	return []Requirement{
		n.require("physical cores", "", float64(f.realCores), n.realCores),
		n.require("processors", "", float64(f.cores), n.threads),
		memory,
		n.require("SSD", "GB", f.ssd, n.ssd),
	}
}

func (n need) largeEnough(f figures) bool {
	for _, q := range n.size(f) {
		if !q.Passed {
			return false
		}
	}
	return true
}

func (n need) require(name, unit string, measured, needed float64) Requirement {
	q := Requirement{Name: name, Unit: unit, Needed: needed, Measured: measured, Passed: measured >= needed}
	q.Text = fmt.Sprintf("%s: %s %s of %s", n.tier, name, shown(measured, needed), figure(needed))
	if unit != "" {
		q.Text += " " + unit
	}
	return q
}

func (n need) diskWrite(f figures) Requirement {
	q := n.require("disk write", "MB/s", f.write, n.write)
	if q.Measured == 0 { // missed all the same: the network wants a figure
		q.Text = fmt.Sprintf("%s: disk write not measured, needs %s MB/s", n.tier, figure(n.write))
	}
	if n.advised > n.write {
		q.Recommended = n.advised
		q.Text += fmt.Sprintf(", %s recommended", figure(n.advised))
	}
	return q
}

func (n need) architecture(arch string) Requirement {
	q := Requirement{Name: "architecture", Needed: 1, Passed: arch == "amd64"}
	if q.Passed {
		q.Measured = 1
	}
	q.Text = fmt.Sprintf("%s: architecture %s, needs amd64", n.tier, arch)
	return q
}

func (n need) network(name string, measured float64, known bool) Requirement {
	q := n.require(name, "Mbit/s", measured, n.net)
	if !known {
		q.Advisory = true
		q.Text = fmt.Sprintf("%s: %s not measured, needs %s Mbit/s", n.tier, name, figure(n.net))
	}
	return q
}

// figure writes whole numbers without decimals and others with one.
func figure(x float64) string { return strconv.FormatFloat(rounded(x, 1), 'f', -1, 64) }

// shown writes a measured figure to the whole number, or so exactly that it
// doesn't look like the limit it misses.
func shown(measured, limit float64) string {
	const most = 2 // decimals
	for decimals := range most + 1 {
		if x := rounded(measured, decimals); measured >= limit || x < limit {
			return strconv.FormatFloat(x, 'f', -1, 64)
		}
	}
	return strconv.FormatFloat(math.Floor(measured*100)/100, 'f', -1, 64)
}
