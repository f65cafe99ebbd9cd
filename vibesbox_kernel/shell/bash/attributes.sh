# Which functions are exported, traced, or read-only: `declare -F NAME` does not say it.
builtin declare -Fx
builtin declare -Ft
builtin declare -Fr
