package spec

import "github.com/fluxosd/fluxosd/internal/jsjson"

// Latest returns the version 8 form of a specification, for owners who move an
// application to it. It has the oddities that clients of the network know:
// the number of instances is called "istances", versions 4 to 7 give no owner,
// and version 1 gives components without domains. A specification of version 8
// stays as it is.
func Latest(s *Spec) []byte {
	if s.Version >= LatestVersion {
		return s.Canonical()
	}
	out := jsjson.ObjectValue(nil)
	out.Set("version", jsjson.NumberValue(LatestVersion))
	out.Set("name", jsjson.TextValue(s.Name))
	out.Set("description", jsjson.TextValue(s.Description))
	if s.Version <= 3 {
		out.Set("owner", jsjson.TextValue(s.Owner))
	}
	compose := jsjson.ArrayValue(make([]jsjson.Value, len(s.Components)))
	for i := range s.Components {
		compose.List[i] = latestComponent(&s.Components[i], s.Version)
	}
	out.Set("compose", compose)
	out.Set("istances", jsjson.NumberValue(float64(s.Instances)))
	out.Set("contacts", textList(s.Contacts))
	out.Set("geolocation", textList(s.Geolocation))
	expire := s.Expire
	if s.Version < 6 {
		expire = defaultExpire
	}
	out.Set("expire", jsjson.NumberValue(float64(expire)))
	out.Set("nodes", textList(nil))
	out.Set("staticip", jsjson.BoolValue(s.StaticIP))
	out.Set("enterprise", jsjson.TextValue(""))
	return out.Encode()
}

func latestComponent(c *Component, version int) jsjson.Value {
	out := jsjson.ObjectValue(nil)
	out.Set("name", jsjson.TextValue(c.Name))
	out.Set("description", jsjson.TextValue(c.Description))
	out.Set("repotag", jsjson.TextValue(c.Repotag))
	out.Set("ports", numberList(c.Ports))
	if version > 1 {
		out.Set("domains", textList(c.Domains))
	}
	out.Set("environmentParameters", textList(c.Environment))
	out.Set("commands", textList(c.Commands))
	out.Set("containerPorts", numberList(c.ContainerPorts))
	out.Set("containerData", jsjson.TextValue(c.ContainerData))
	out.Set("cpu", jsjson.NumberValue(c.CPU))
	out.Set("ram", jsjson.NumberValue(c.RAM))
	out.Set("hdd", jsjson.NumberValue(c.HDD))
	out.Set("repoauth", jsjson.TextValue(c.RepoAuth.Reveal()))
	return out
}

func numberList(list []int) jsjson.Value {
	v := jsjson.ArrayValue(make([]jsjson.Value, len(list)))
	for i, n := range list {
		v.List[i] = jsjson.NumberValue(float64(n))
	}
	return v
}

func textList(list []string) jsjson.Value {
	v := jsjson.ArrayValue(make([]jsjson.Value, len(list)))
	for i, s := range list {
		v.List[i] = jsjson.TextValue(s)
	}
	return v
}
