package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"basalt/runtime"
	"basalt/server"
)

// Run serves until the process is told to stop, then drains.
func (c *serveCmd) Run(ctx context.Context) error {
	if len(c.Models) == 0 {
		return errors.New("name a model: basalt serve MODEL, a directory with safetensors or a .gguf file")
	}
	if len(c.ServedName) > 0 && len(c.ServedName) != len(c.Models) {
		return fmt.Errorf("--served-name has %d names for %d models", len(c.ServedName),
			len(c.Models))
	}
	log, err := newLogger(c.LogLevel)
	if err != nil {
		return err
	}
	defer func() { _ = log.Sync() }()
	// The port is taken first: a port in use shows before gigabytes are loaded.
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("cannot listen on --listen %s: %w", c.Listen, err)
	}
	dev, err := openDevice(&c.modelFlags)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	models, err := c.openModels(ctx, dev)
	if err == nil {
		err = c.serve(ctx, listener, dev.Info(), models, log)
	}
	stop, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, m := range models {
		err = errors.Join(err, m.close(stop))
	}
	return errors.Join(err, dev.Close())
}

func (c *serveCmd) openModels(ctx context.Context, dev runtime.Device) ([]*opened, error) {
	var models []*opened
	for i, path := range c.Models {
		m, err := c.openModel(ctx, dev, path)
		if err != nil {
			return models, err
		}
		if len(c.ServedName) > 0 {
			m.name = c.ServedName[i]
		}
		models = append(models, m)
	}
	return models, nil
}

func newLogger(level string) (*zap.Logger, error) {
	at, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, err
	}
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(at)
	cfg.DisableStacktrace = true
	return cfg.Build()
}

func (c *serveCmd) serve(ctx context.Context, l net.Listener, dev runtime.DeviceInfo,
	models []*opened, log *zap.Logger,
) error {
	auth, err := c.authentication(l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	cfg := server.Config{Auth: auth, Logger: log, DrainTimeout: c.DrainTimeout, Version: version}
	for _, m := range models {
		cfg.Models = append(cfg.Models, server.Model{
			ID: m.name, Tokenizer: m.tok, Template: m.template, Loop: m.loop,
			EOS: m.model.Generation.EOS, Defaults: m.model.Generation.Sampling(),
			MaxContext: m.maxContext, Device: dev, Created: time.Now(),
		})
	}
	s, err := server.New(cfg)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	printTryThis(l.Addr().String(), models)
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	log.Info("draining", zap.Duration("deadline", c.DrainTimeout))
	drain, cancel := context.WithTimeout(context.Background(), c.DrainTimeout)
	defer cancel()
	return errors.Join(s.Shutdown(drain), <-served)
}

// authentication resolves --auth auto: open on loopback, keys elsewhere.
func (c *serveCmd) authentication(l net.Listener) (server.Auth, error) {
	addr, _ := l.Addr().(*net.TCPAddr)
	loopback := addr != nil && addr.IP.IsLoopback()
	mode := c.Auth
	if mode == "auto" {
		mode = "keys"
		if loopback && c.Keys == "" {
			mode = "none"
		}
	}
	switch {
	case mode == "none" && !loopback:
		return server.Auth{},
			fmt.Errorf("--auth none on %s: without authentication only loopback is "+
				"served; use --auth keys --keys FILE", l.Addr())
	case mode == "none":
		return server.NoAuth(c.AllowOrigin), nil
	case c.Keys == "":
		return server.Auth{},
			errors.New("--auth keys needs --keys FILE, lines of: tenant name sha256:HEX")
	}
	return server.KeyFile(c.Keys)
}
