package spec

// blocksPerOldBlock is how many blocks come since the fork in the time of one
// before it.
const blocksPerOldBlock = 4

// Period is the number of blocks that a specification without expire lasts, and
// that a price is for, when registered at height.
func Period(height int) int {
	if height >= forkHeight {
		return defaultExpireAfterFork
	}
	return defaultExpire
}

// LastHeight is the last height at which an application registered, or updated,
// at height is valid. expire 0 stands for none.
func LastHeight(height, expire int) int {
	if expire == 0 {
		expire = Period(height)
	}
	return stretch(height, height+expire)
}

// stretch moves an end that was set before the fork and lies behind it.
func stretch(height, end int) int {
	if height < forkHeight && end > forkHeight {
		return forkHeight + blocksPerOldBlock*(end-forkHeight)
	}
	return end
}

// freeBlocks is by how much the end of an application may move in a free update.
const freeBlocks = 8

// recentUpdates bounds the free updates of an application.
var recentUpdates = []struct{ blocks, fewer int }{{3600, 11}, {1440, 9}, {720, 6}}

// FreeUpdate reports whether the update of an application costs nothing: it
// asks for nothing more and lasts no longer, and there weren't too many.
// registered is the height of the current specification, height the present
// one, updates the heights of the earlier update messages. expire is what the
// update then lasts: never longer than the current specification.
func FreeUpdate(current *Spec, registered int, update *Spec, height int, updates []int) (expire int, free bool) {
	if current == nil || current.Expire == 0 || update.Expire == 0 || current.Version <= 3 || update.Version <= 3 {
		return update.Expire, false
	}
	surplus := LastHeight(height, update.Expire) - LastHeight(registered, current.Expire)
	if surplus > freeBlocks || update.Instances != current.Instances || update.StaticIP != current.StaticIP ||
		len(update.Nodes) != len(current.Nodes) || asksMore(current, update) {
		return update.Expire, false
	}
	for i, bound := range recentUpdates {
		n := 0
		for _, h := range updates {
			if h > height-bound.blocks {
				n++
			}
		}
		if i == 0 && n == 0 {
			break
		}
		if n >= bound.fewer {
			return update.Expire, false
		}
	}
	return update.Expire - max(surplus, 0), true
}

// asksMore reports whether a component of the update asks for more than the
// same one had: of the same name, or, if names are missing or repeated, at the
// same place.
func asksMore(current, update *Spec) bool {
	if len(current.Components) != len(update.Components) {
		return true
	}
	byName := map[string]*Component{}
	named := true
	for i := range current.Components {
		c := &current.Components[i]
		named = named && c.Name != "" && byName[c.Name] == nil
		byName[c.Name] = c
	}
	seen := map[string]bool{}
	for i := range update.Components {
		c := &update.Components[i]
		named = named && c.Name != "" && !seen[c.Name]
		seen[c.Name] = true
	}
	for i := range update.Components {
		c, old := &update.Components[i], &current.Components[i]
		if named {
			old = byName[c.Name]
		}
		if old == nil || c.CPU > old.CPU || c.RAM > old.RAM || c.HDD > old.HDD || c.enterprisePorts() > old.enterprisePorts() {
			return true
		}
	}
	return false
}

func (c *Component) enterprisePorts() int {
	n := 0
	for _, port := range c.Ports {
		if EnterprisePort(port) {
			n++
		}
	}
	return n
}
