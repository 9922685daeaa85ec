package box

import (
	"embed"
	"io/fs"
)

// ID is the model's name in every API and on the command line.
const ID = "basalt.box-v1"

//go:embed files
var files embed.FS

// Files are the model's config.json, model.safetensors, tokenizer.json and what belongs to them.
func Files() fs.FS {
	dir, err := fs.Sub(files, "files")
	if err != nil {
		panic("BUG: the embedded folder is gone: " + err.Error())
	}
	return dir
}
