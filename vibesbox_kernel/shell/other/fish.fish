# What the fish of one cell runs: `fish THIS DRIVER_DIRECTORY CELL_DIRECTORY LABEL MARK BASH`, see zsh.zsh.
#
# The first cell's fish reads the user's config.fish, as every fish does; the others get what has become of it.
set -g __vb_driver $argv[1]
set -g __vb_cell $argv[2]
set -g __vb_label $argv[3]
set -g __vb_mark $argv[4]
set -g __vb_bash $argv[5]
set -g __vb_of_fish argv history status pipestatus status_generation hostname version umask _ PWD OLDPWD SHLVL EUID \
    FISH_VERSION CMD_DURATION COLUMNS LINES fish_pid fish_killring fish_kill_signal fish_history \
    fish_bind_mode fish_private_mode dirprev dirnext __fish_bin_dir __fish_config_dir __fish_data_dir __fish_help_dir \
    __fish_sysconf_dir __fish_user_data_dir __fish_initialized

function __vb_finish --on-event fish_exit
    set -l code $argv[1]
    if set -q __vb_reads; and not set -q __vb_begun
        # Not even the cell's first words, which are ours, were run: it has a syntax error, and nothing of it was.
        builtin printf '\n%s syntax\nfish can not read this cell\n\n%s end\n2 syntax\n' $__vb_mark $__vb_mark >>$__vb_cell/state
        exec $__vb_bash -p $__vb_driver/keep.sh $__vb_driver $__vb_cell 2
    end
    # The names of variables that are written nowhere.
    if test -r $__vb_cell/secrets
        while builtin read -l name
            set -e -g $name
        end <$__vb_cell/secrets
    end
    begin
        builtin printf '\n%s directory\n' $__vb_mark
        builtin pwd -L
        builtin printf '\n%s variables\n' $__vb_mark
        for name in (builtin set -g --names)
            if builtin string match -q -r '^(__vb|VIBESBOX)_' -- $name; or builtin contains -- $name $__vb_of_fish
                continue
            end
            builtin set -l export ''
            builtin set -q -gx $name; and builtin set export x
            builtin echo set -g$export $name (builtin string escape -- $$name)
        end
        builtin printf '\n%s early\n' $__vb_mark
        builtin printf '\n%s late\n' $__vb_mark
        builtin echo umask (umask)
        # What fish brings with it and loads by itself is not the user's.
        for name in (builtin functions -a --names)
            builtin string match -q -r '^__vb_' -- $name; and continue
            builtin string match -q -r -- "^($__fish_data_dir/|embedded:)" (builtin functions --details -- $name); and continue
            builtin functions --no-details -- $name
        end
        builtin printf '\n%s end\n%s end\n' $__vb_mark $code
    end >>$__vb_cell/state
    exec $__vb_bash -p $__vb_driver/keep.sh $__vb_driver $__vb_cell $code
end 2>/dev/null

# What a signal ends hands its state on, too.
function __vb_interrupted --on-signal INT
    exit 130
end
function __vb_terminated --on-signal TERM
    exit 143
end

if test -r $__vb_cell/carried
    source $__vb_cell/carried
end
builtin cd $__vb_cell
set -g __vb_reads
source $__vb_label
