package benchmark

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

func TestTierOfAMachine(t *testing.T) {
	base := nimbus()
	with := func(change func(*machine)) machine {
		m := base
		change(&m)
		return m
	}
	large := machine{realCores: 8, cores: 16, ram: 62.7, ssd: 931.5, single: 138, write: 1480}
	tests := []struct {
		name string
		m    machine
		want Tier
		miss string // of the lowest tier that was missed, "" when all are passed
	}{
		{"nimbus", base, Nimbus, "STRATUS: physical cores 4 of 8"},
		{"smallest cumulus", machine{realCores: 2, cores: 4, ram: 7, ssd: 220, single: 60, write: 180}, Cumulus, "NIMBUS: physical cores 2 of 4"},
		{"stratus", large, Stratus, ""},
		{"memory that firmware reserved", with(func(m *machine) { m.ram = 29.45 }), Nimbus, "STRATUS: physical cores 4 of 8"},
		{"too little memory", with(func(m *machine) { m.ram = 29.3 }), Cumulus, "NIMBUS: memory 29 of 30 GB"},
		{"slow disk is no SSD", with(func(m *machine) { m.write = 148 }), None, "CUMULUS: SSD 0 of 220 GB"},
		{"slow CPU", with(func(m *machine) { m.single = 79.99 }), Cumulus, "NIMBUS: CPU speed 639.9 of 640 events/s"},
		{"one processor short", with(func(m *machine) { m.cores = 7 }), Cumulus, "NIMBUS: processors 7 of 8"},
		{"stratus with a slower disk", func() machine { m := large; m.write = 399; return m }(), Nimbus, "STRATUS: disk write 399 of 400 MB/s"},
		{"stratus on arm64", func() machine { m := large; m.arch = "arm64"; return m }(), Nimbus, "STRATUS: architecture arm64, needs amd64"},
		{"arm board", machine{realCores: 4, cores: 4, ram: 3.7, ssd: 238, single: 70, write: 200, arch: "arm64", board: "Rock 5"}, Cumulus, "NIMBUS: processors 4 of 8"},
		{"the same without a board", machine{realCores: 4, cores: 4, ram: 3.7, ssd: 238, single: 70, write: 200, arch: "arm64"}, None, "CUMULUS: memory 4 of 7 GB"},
		{"slow network", with(func(m *machine) { m.net = 49.96 }), Cumulus, "NIMBUS: download 49.96 of 50 Mbit/s"},
		{"fast network", with(func(m *machine) { m.net = 50 }), Nimbus, "STRATUS: physical cores 4 of 8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			verdicts := Tiers(tt.m.result())
			if got := Highest(verdicts); got != tt.want {
				t.Errorf("tier %q, want %q", got, tt.want)
			}
			miss := ""
			for _, v := range verdicts {
				if !v.Passed {
					miss = FirstMissed(v)
					break
				}
			}
			if miss != tt.miss {
				t.Errorf("missed %q, want %q", miss, tt.miss)
			}
		})
	}
}

func TestPublishedMachinesPassForTheirTiers(t *testing.T) {
	checked := 0
	for _, p := range readPublished(t).GetBenchmarks {
		var b Benchmarks
		if err := json.Unmarshal(p.Data, &b); err != nil {
			t.Fatal(err)
		}
		if b.Status == "" {
			continue // an answer of another program's tests, without a tier
		}
		checked++
		m := machine{realCores: b.RealCores, cores: b.Cores, ram: b.RAM, ssd: b.SSD, write: b.DiskWrite, arch: b.Architecture}
		m.single = b.EPS / map[Tier]float64{Cumulus: 4, Nimbus: 8, Stratus: 16}[Tier(b.Status)]
		if got := Highest(Tiers(m.result())); got != Tier(b.Status) {
			t.Errorf("%s: passes for %q", p.Source, got)
		}
	}
	if checked != 2 {
		t.Errorf("checked %d answers, want 2", checked)
	}
}

func TestRequirementsThatAreAdvice(t *testing.T) {
	m := nimbus()
	m.write = 190
	v := Tiers(m.result())[1]
	if !v.Passed {
		t.Errorf("refused by advice: %q", FirstMissed(v))
	}
	texts := map[string]Requirement{}
	for _, q := range v.Requirements {
		texts[q.Name] = q
	}
	if q := texts["disk write"]; q.Recommended != 200 || q.Text != "NIMBUS: disk write 190 of 180 MB/s, 200 recommended" {
		t.Errorf("disk write: %+v", q)
	}
	if q := texts["upload"]; !q.Advisory || q.Passed || q.Text != "NIMBUS: upload not measured, needs 50 Mbit/s" {
		t.Errorf("upload: %+v", q)
	}
}

func TestShownFigureNeverLooksLikeTheLimitItMisses(t *testing.T) {
	for _, tt := range []struct {
		measured, limit float64
		want            string
	}{
		{148.4, 180, "148"}, {179.7, 180, "179.7"}, {179.96, 180, "179.96"}, {180, 180, "180"}, {180.4, 180, "180"}, {0, 180, "0"}, {179.999, 180, "179.99"},
	} {
		if got := shown(tt.measured, tt.limit); got != tt.want {
			t.Errorf("%v of %v: shown %s, want %s", tt.measured, tt.limit, got, tt.want)
		}
	}
}

func TestEPSCountsTheProcessorsOfTheTier(t *testing.T) {
	for _, tt := range []struct {
		m    machine
		want float64
	}{
		{machine{realCores: 16, cores: 32, ram: 128, ssd: 2000, write: 500, single: 100}, 1600},
		{machine{realCores: 8, cores: 16, ram: 32, ssd: 2000, write: 500, single: 100}, 800},
		{machine{realCores: 2, cores: 6, ram: 8, ssd: 250, write: 500, single: 100}, 400},
		{machine{realCores: 1, cores: 2, ram: 2, ssd: 20, write: 500, single: 100}, 200}, // below every tier: its own
	} {
		if got := tt.m.result().EPS(); got != tt.want {
			t.Errorf("%+v: eps %v, want %v", tt.m, got, tt.want)
		}
	}
}

func TestDisksAreClassedByTheirSpeed(t *testing.T) {
	disk := func(name string, size, write float64, apps bool, kind measure.Kind) Disk {
		return Disk{Disk: measure.Disk{Name: name, Size: uint64(size * gibibyte), Kind: kind}, Speed: measure.DiskSpeed{MiBps: constant(write)}, Apps: apps}
	}
	r := Result{Disks: []Disk{
		disk("sda", 100, 180, true, measure.HDD),
		disk("sdb", 200, 179.9, true, measure.SSD),
		disk("nvme0n1", 400, 3000, false, measure.NVMe),
		disk("sdc", 1000, 0, false, measure.SSD), // not measured: nothing proves it
	}}
	got := fmt.Sprint(r.SSD(), r.HDD(), r.DiskWrite())
	if want := "500 1200 180"; got != want {
		t.Errorf("ssd, hdd, write: %s, want %s", got, want)
	}
	for i := range r.Disks {
		r.Disks[i].Apps = false
	}
	if got := r.DiskWrite(); got != 3000 {
		t.Errorf("without disks of applications: write %v, want that of the fastest", got)
	}
}

func TestDisturbancesOfAllParts(t *testing.T) {
	d := func(reason string, share float64) []measure.Disturbance {
		return []measure.Disturbance{{Reason: reason, Share: share}}
	}
	r := Result{CPU: measure.CPU{Disturbed: d(measure.Steal, 0.1)}, Memory: measure.Memory{Disturbed: d(measure.Steal, 0.3)},
		Disks: []Disk{{Speed: measure.DiskSpeed{Disturbed: d(measure.OtherDisk, 0.5)}}}}
	want := []measure.Disturbance{{Reason: measure.Steal, Share: 0.3}, {Reason: measure.OtherDisk, Share: 0.5}}
	if diff := cmp.Diff(want, r.Disturbances()); diff != "" {
		t.Errorf("disturbances (-want +got):\n%s", diff)
	}
}
