// A line of input from a terminal, with editing, history, completion and help keys: libedit.
//
// Thread safety: one thread; one at a time in a process (libedit's signal handlers are global).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <histedit.h>

namespace dlb {

class LineEditor {
  public:
    struct Hooks {
        // What the last word of the line before the cursor may become.
        std::function<std::vector<std::string>(const std::string& line)> complete;
        // Text that tells what may stand after the line before the cursor.
        std::function<std::string(const std::string& line)> explain;
    };

    // `watched`: reading ends as soon as this socket is closed by its peer. `own_signals`: Ctrl-C
    // drops the line, and the terminal is put right when a signal ends or suspends the process.
    LineEditor(std::string prompt, Hooks hooks, int watched, bool own_signals);
    ~LineEditor();  // saves the history
    LineEditor(const LineEditor&) = delete;
    LineEditor& operator=(const LineEditor&) = delete;

    // The next line without its newline; nullopt at the end of input or of the watched socket.
    std::optional<std::string> read();
    bool watched_is_gone() const { return gone_; }

  private:
    static LineEditor& of(EditLine* editor);
    static int get_character(EditLine* editor, wchar_t* character);
    static unsigned char on_tab(EditLine* editor, int key);
    static unsigned char on_help(EditLine* editor, int key);
    static unsigned char on_cancel(EditLine* editor, int key);
    static unsigned char on_suspend(EditLine* editor, int key);

    void bind_keys(bool own_signals);
    std::string before_cursor() const;
    enum class Input { Ready, Interrupt, Gone };  // Gone: the watched socket is
    Input wait_for_input();
    bool take_interrupt() const;

    struct EditorDeleter {
        void operator()(EditLine* editor) const { el_end(editor); }
    };
    struct HistoryDeleter {
        void operator()(History* history) const { history_end(history); }
    };

    std::string prompt_;
    Hooks hooks_;
    int watched_;
    bool own_signals_;
    bool gone_ = false;
    bool cancelled_ = false;
    std::string history_file_;  // "": none
    std::unique_ptr<History, HistoryDeleter> history_;
    std::unique_ptr<EditLine, EditorDeleter> editor_;
};

// Candidates side by side in `width` columns.
std::string in_columns(const std::vector<std::string>& words, size_t width);

}  // namespace dlb
