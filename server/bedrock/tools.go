package bedrock

import "basalt/server/api"

const (
	maxTools    = 128 // the house's
	maxToolName = 64
)

func readToolConfig(o *api.Object, req *api.Request) {
	v, ok := o.Get("toolConfig")
	if !ok {
		return
	}
	c := v.Object()
	if tools, ok := c.Need("tools"); ok {
		if n := tools.Len(); tools.IsArray() && (n == 0 || n > maxTools) {
			tools.Fail("must have 1 to %d tools, not %d", maxTools, n)
			return
		}
		for _, e := range tools.Elements() {
			req.Tools = appendTool(req.Tools, e)
		}
	}
	if choice, ok := c.Get("toolChoice"); ok {
		req.ToolChoice = readToolChoice(choice, req.Tools)
		if req.ToolChoice.Mode == api.ToolRequired && len(req.Tools) == 0 {
			choice.Fail("asks for a tool, but there are none")
		}
	}
	refuse(c)
}

func appendTool(tools []api.Tool, v api.Value) []api.Tool {
	o := union(v)
	if point, ok := o.Get("cachePoint"); ok {
		readCachePoint(point)
		return tools
	}
	if system, ok := o.Get("systemTool"); ok {
		system.Fail("is not supported: there are no tools on this server; leave it out")
	}
	spec, ok := o.Get("toolSpec")
	refuse(o)
	if !ok {
		return tools
	}
	s := spec.Object()
	t := api.Tool{Name: readToolName(s)}
	if d, ok := s.Get("description"); ok {
		t.Description = readText(d).Text
	}
	if schema, ok := s.Need("inputSchema"); ok {
		in := union(schema)
		if doc, ok := in.Need("json"); ok {
			doc.Object()
			t.Schema = doc.Raw()
		}
		refuse(in)
	}
	if strict, ok := s.Get("strict"); ok && strict.Bool() {
		strict.Fail("must be false: output cannot be constrained to a schema; leave it out")
	}
	refuse(s)
	if named(tools, t.Name) {
		spec.Fail("repeats the name of another tool")
	}
	return append(tools, t)
}

func readToolName(o *api.Object) string {
	name := o.NeedString("name")
	if v, ok := o.Get("name"); ok && !validID(name, maxToolName, "_-") {
		v.Fail("must have 1 to %d letters, digits, underscores and hyphens", maxToolName)
	}
	return name
}

func readToolChoice(v api.Value, tools []api.Tool) api.ToolChoice {
	o := union(v)
	choice := api.ToolChoice{}
	for name, member := range o.Fields() {
		c := member.Object()
		switch name {
		case "auto":
		case "any":
			choice.Mode = api.ToolRequired
		case "tool":
			choice = api.ToolChoice{Mode: api.ToolNamed, Name: readToolName(c)}
			if !named(tools, choice.Name) {
				member.Fail("names a tool that is not in toolConfig.tools")
			}
		default:
			member.Fail("is not supported; use auto, any or tool")
		}
		refuse(c)
	}
	return choice
}

func named(tools []api.Tool, name string) bool {
	for i := range tools {
		if tools[i].Name == name {
			return true
		}
	}
	return false
}
