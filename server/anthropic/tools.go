package anthropic

import "basalt/server/api"

const maxName = 128

func readTools(o *api.Object, req *api.Request) {
	if v, ok := o.NotNull("tools"); ok {
		if n := v.Len(); n > maxTools {
			v.Fail("has %d tools; at most %d are allowed", n, maxTools)
			return
		}
		for _, e := range v.Elements() {
			t := readTool(e)
			if named(req.Tools, t.Name) {
				e.Fail("repeats the name of another tool")
			}
			req.Tools = append(req.Tools, t)
		}
	}
	readToolChoice(o, req)
}

func readTool(v api.Value) api.Tool {
	o := v.Object()
	if kind, ok := o.NotNull("type"); ok && kind.Str() != "custom" {
		kind.Fail("must be \"custom\": there are no tools on this server")
	}
	t := api.Tool{Name: readName(o)}
	if d, ok := o.NotNull("description"); ok {
		t.Description = d.Str()
	}
	if schema, ok := o.Need("input_schema"); ok {
		schema.Object()
		t.Schema = schema.Raw()
	}
	for _, name := range []string{"strict", "defer_loading"} {
		if on, ok := o.NotNull(name); ok && on.Bool() {
			on.Fail("must be false: it is not supported")
		}
	}
	if v, ok := o.NotNull("eager_input_streaming"); ok {
		v.Bool() // arguments are always streamed as they come
	}
	if callers, ok := o.NotNull("allowed_callers"); ok {
		for _, e := range callers.Elements() {
			if s := e.Str(); e.IsString() && s != "direct" {
				e.Fail("must be \"direct\": no program calls tools here")
			}
		}
	}
	readCacheControl(o)
	refuse(o)
	return t
}

func readName(o *api.Object) string {
	name := o.NeedString("name")
	if v, ok := o.Get("name"); ok && !validName(name) {
		v.Fail("must have 1 to %d letters, digits, underscores and hyphens", maxName)
	}
	return name
}

func validName(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && c != '_' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func named(tools []api.Tool, name string) bool {
	for i := range tools {
		if tools[i].Name == name {
			return true
		}
	}
	return false
}

func readToolChoice(o *api.Object, req *api.Request) {
	v, ok := o.NotNull("tool_choice")
	if !ok {
		return
	}
	c := v.Object()
	switch c.OneOf("type", "auto", "any", "tool", "none") {
	case "any":
		req.ToolChoice.Mode = api.ToolRequired
		if len(req.Tools) == 0 {
			v.Fail("asks for a tool, but there are none")
		}
	case "tool":
		req.ToolChoice = api.ToolChoice{Mode: api.ToolNamed, Name: readName(c)}
		if !named(req.Tools, req.ToolChoice.Name) {
			v.Fail("names a tool that is not in tools")
		}
	case "none":
		req.ToolChoice.Mode = api.ToolNone
	}
	if !c.Has("type") {
		c.Missing("type")
	}
	if one, ok := c.NotNull("disable_parallel_tool_use"); ok {
		req.OneTool = one.Bool()
	}
	refuse(c)
}
