#!/bin/sh
# abi_check.sh DIR: compare our declarations of the Neuron runtime with the header below DIR.
here=$(dirname "$0")
check() { ${CC:-cc} -std=gnu11 -Wall -fsyntax-only -I "$1" $2 "$here/abi_check.c"; }
if [ ! -e "$1/nrt/nrt.h" ]; then
  echo "there is no $1/nrt/nrt.h: name the folder of the Neuron runtime's header" >&2
  exit 2
fi
check "$1" || exit 1
echo "the declarations in neuron/nrt/abi.h are those of $1/nrt"
if check "$1" -DCHECK_ASYNC 2>/dev/null; then
  echo "nrta_execute_schedule is declared as in version NRT_3.0.0"
else
  echo "nrta_execute_schedule is absent or of another version than NRT_3.0.0: --neuron-async is refused"
fi
