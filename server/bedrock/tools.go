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
	}
	refuse(c)
}

func appendTool(tools []api.Tool, v api.Value) []api.Tool {
	o := v.Object()
	if v.IsObject() && o.Len() != 1 {
		v.Fail("must have exactly one member, not %d", o.Len())
	}
	if point, ok := o.Get("cachePoint"); ok {
		readCachePoint(point)
		return tools
	}
	spec, ok := o.Need("toolSpec")
	if !ok {
		return tools
	}
	s := spec.Object()
	t := api.Tool{Name: s.NeedString("name"), Description: s.String("description").Or("")}
	if name, ok := s.Get("name"); ok && !validID(t.Name, maxToolName, "_-") {
		name.Fail("must have 1 to %d letters, digits, underscores and hyphens", maxToolName)
	}
	if schema, ok := s.Need("inputSchema"); ok {
		in := schema.Object()
		if doc, ok := in.Need("json"); ok {
			doc.Object()
			t.Schema = doc.Raw()
		}
		refuse(in)
	}
	t.Strict = s.Bool("strict").Or(false)
	refuse(s)
	return append(tools, t)
}

func readToolChoice(v api.Value, tools []api.Tool) api.ToolChoice {
	o := v.Object()
	if v.IsObject() && o.Len() != 1 {
		v.Fail("must have exactly one member, not %d", o.Len())
	}
	choice := api.ToolChoice{}
	for name, member := range o.Fields() {
		c := member.Object()
		switch name {
		case "auto":
		case "any":
			choice.Mode = api.ToolRequired
		case "tool":
			choice = api.ToolChoice{Mode: api.ToolNamed, Name: c.NeedString("name")}
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
