package benchmark

import "github.com/fluxosd/fluxosd/internal/benchmark/measure"

// part is a step of a run and how long it usually takes, in seconds.
type part struct {
	step    string
	seconds float64
}

func cpuParts() []part    { return []part{{measure.StepSingle, 10}, {measure.StepMulti, 10}} }
func diskParts() []part   { return []part{{measure.StepDisk, 10}} }
func memoryParts() []part { return []part{{measure.StepMemory, 2}} }
func networkParts() []part {
	return []part{{measure.StepPing, 2}, {measure.StepDownload, 10}, {measure.StepUpload, 10}}
}

// duration adds up parts, in seconds.
func duration(parts []part) (sum float64) {
	for _, p := range parts {
		sum += p.seconds
	}
	return sum
}

// plan turns the progress of single steps into that of the whole run.
type plan struct {
	report      Progress // nil for nobody
	done, total float64  // seconds
}

func newPlan(report Progress, disks int, network bool) *plan {
	p := &plan{report: report, total: duration(cpuParts()) + float64(disks)*duration(diskParts()) + duration(memoryParts())}
	if network {
		p.total += duration(networkParts())
	}
	return p
}

// next begins parts that follow one another and returns what to tell them their
// progress with. They are shown as label, or by the names of their steps when
// label is "".
func (p *plan) next(label string, parts []part) measure.Progress {
	before := p.done
	p.done += duration(parts)
	return func(step string, done float64) {
		if p.report == nil {
			return
		}
		at := before
		for _, part := range parts {
			if part.step == step {
				at += part.seconds * done
				break
			}
			at += part.seconds
		}
		if label != "" {
			step = label
		}
		p.report(step, at/p.total)
	}
}
