#include "console/line_editor.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cwchar>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace dlb {

namespace {

constexpr int kHistorySize = 1000;
constexpr wchar_t kCtrlC = 3;

sigset_t interrupt_set() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    return set;
}

// Holds SIGINT back while it lives.
class HeldInterrupt {
  public:
    explicit HeldInterrupt(bool hold) {
        const sigset_t set = interrupt_set();
        pthread_sigmask(SIG_BLOCK, hold ? &set : nullptr, &before_);
    }
    ~HeldInterrupt() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    HeldInterrupt(const HeldInterrupt&) = delete;
    HeldInterrupt& operator=(const HeldInterrupt&) = delete;

  private:
    sigset_t before_;
};

std::string common_prefix(const std::vector<std::string>& words) {
    std::string prefix = words.front();
    for (const std::string& word : words) {
        const auto end = std::mismatch(prefix.begin(), prefix.end(), word.begin(), word.end());
        prefix.erase(end.first, prefix.end());
    }
    return prefix;
}

void print(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

}  // namespace

std::string in_columns(const std::vector<std::string>& words, size_t width) {
    size_t widest = 0;
    for (const std::string& word : words) {
        widest = std::max(widest, word.size() + 2);
    }
    const size_t columns = std::max<size_t>(1, width / std::max<size_t>(1, widest));
    std::string text;
    for (size_t i = 0; i < words.size(); ++i) {
        const bool last = (i + 1) % columns == 0 || i + 1 == words.size();
        text += last ? words[i] + '\n' : fmt::format("{:<{}}", words[i], widest);
    }
    return text;
}

LineEditor::LineEditor(std::string prompt, Hooks hooks, int watched, bool own_signals)
    : prompt_(std::move(prompt)),
      hooks_(std::move(hooks)),
      watched_(watched),
      own_signals_(own_signals),
      history_(history_init()),
      editor_(el_init("dpdk-lb", stdin, stdout, stderr)) {
    EditLine* editor = editor_.get();
    el_set(editor, EL_CLIENTDATA, this);
    el_set(
        editor, EL_PROMPT_ESC, +[](EditLine* e) { return of(e).prompt_.data(); }, '\1');
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_SIGNAL, own_signals ? 1 : 0);
    el_set(editor, EL_GETCFN, &LineEditor::get_character);

    HistEvent event;
    history(history_.get(), &event, H_SETSIZE, kHistorySize);
    history(history_.get(), &event, H_SETUNIQUE, 1);
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0') {
        history_file_ = std::string(home) + "/.dpdk-lb_history";
        history(history_.get(), &event, H_LOAD, history_file_.c_str());
    }
    el_set(editor, EL_HIST, history, history_.get());
    bind_keys(own_signals);
    el_source(editor, nullptr);
}

LineEditor::~LineEditor() {
    HistEvent event;
    if (!history_file_.empty()) {
        history(history_.get(), &event, H_SAVE, history_file_.c_str());
    }
}

void LineEditor::bind_keys(bool own_signals) {
    EditLine* editor = editor_.get();
    el_set(editor, EL_ADDFN, "console-complete", "complete the word", &LineEditor::on_tab);
    el_set(editor, EL_ADDFN, "console-help", "what may stand here", &LineEditor::on_help);
    el_set(editor, EL_ADDFN, "console-cancel", "drop the line", &LineEditor::on_cancel);
    el_set(editor, EL_ADDFN, "console-suspend", "back to the shell", &LineEditor::on_suspend);
    const auto bind = [editor](const char* key, const char* function) {
        el_set(editor, EL_BIND, key, function, nullptr);
    };
    bind("^I", "console-complete");
    bind("?", "console-help");
    bind("^R", "em-inc-search-prev");
    bind("^W", "ed-delete-prev-word");
    bind("\\e[1~", "ed-move-to-beg");
    bind("\\e[4~", "ed-move-to-end");
    bind("\\e[3~", "ed-delete-next-char");
    if (own_signals) {
        // Only while a line is edited: Ctrl-C still ends a command that takes too long.
        el_set(editor, EL_SETTY, "-d", "-isig", nullptr);
        bind("^C", "console-cancel");
        bind("^Z", "console-suspend");
    }
}

LineEditor& LineEditor::of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return *static_cast<LineEditor*>(data);
}

std::string LineEditor::before_cursor() const {
    const LineInfo* line = el_line(editor_.get());
    return {line->buffer, line->cursor};
}

// libedit (3.1, el_wgets) shows the prompt before it makes the terminal raw: a Ctrl-C in between is
// a SIGINT. read() holds it back, and here it becomes the key that it was meant to be.
bool LineEditor::take_interrupt() const {
    const sigset_t set = interrupt_set();
    const timespec now{0, 0};
    return own_signals_ && sigtimedwait(&set, nullptr, &now) == SIGINT;
}

LineEditor::Input LineEditor::wait_for_input() {
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    if (own_signals_) {
        sigdelset(&mask, SIGINT);
    }
    for (;;) {
        if (take_interrupt()) {
            return Input::Interrupt;
        }
        // POLLRDHUP: the server sends nothing unasked, but its end of the socket may close.
        pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {watched_, POLLRDHUP, 0}};
        if (::ppoll(fds, 2, nullptr, &mask) < 0) {
            if (errno != EINTR) {
                return Input::Ready;
            }
            el_set(editor_.get(), EL_REFRESH);  // back from Ctrl-Z, or another window size
            continue;
        }
        return fds[1].revents != 0 ? Input::Gone : Input::Ready;
    }
}

int LineEditor::get_character(EditLine* editor, wchar_t* character) {
    LineEditor& self = of(editor);
    mbstate_t state{};
    for (;;) {
        switch (self.wait_for_input()) {
            case Input::Gone:
                self.gone_ = true;
                return 0;
            case Input::Interrupt:
                *character = kCtrlC;
                return 1;
            case Input::Ready:
                break;
        }
        char byte = 0;
        const ssize_t size = ::read(STDIN_FILENO, &byte, 1);
        if (size < 0 && (errno == EINTR || errno == EAGAIN)) {
            continue;
        }
        if (size <= 0) {
            return static_cast<int>(size);
        }
        const size_t length = std::mbrtowc(character, &byte, 1, &state);
        if (length == static_cast<size_t>(-1)) {
            state = {};  // not a character of this locale
        } else if (length != static_cast<size_t>(-2)) {
            return 1;
        }
    }
}

unsigned char LineEditor::on_tab(EditLine* editor, int) {
    LineEditor& self = of(editor);
    const std::string line = self.before_cursor();
    const std::vector<std::string> candidates = self.hooks_.complete(line);
    if (candidates.empty()) {
        return CC_REFRESH_BEEP;
    }
    const size_t space = line.find_last_of(" \t");
    const size_t typed = line.size() - (space == std::string::npos ? 0 : space + 1);
    std::string more = common_prefix(candidates);
    more.erase(0, std::min(typed, more.size()));
    if (candidates.size() == 1) {
        more += ' ';
    }
    if (!more.empty()) {
        return el_insertstr(editor, more.c_str()) == 0 ? CC_REFRESH : CC_REFRESH_BEEP;
    }
    print('\n' + in_columns(candidates, 80));
    return CC_REDISPLAY;
}

unsigned char LineEditor::on_help(EditLine* editor, int) {
    LineEditor& self = of(editor);
    print("?\n" + self.hooks_.explain(self.before_cursor()));
    return CC_REDISPLAY;
}

unsigned char LineEditor::on_cancel(EditLine* editor, int) {
    of(editor).cancelled_ = true;
    print("^C\n");
    return CC_NEWLINE;
}

unsigned char LineEditor::on_suspend(EditLine*, int) {
    ::raise(SIGTSTP);  // libedit's handler puts the terminal right
    return CC_REDISPLAY;
}

std::optional<std::string> LineEditor::read() {
    const HeldInterrupt held(own_signals_);
    for (;;) {
        el_resize(editor_.get());
        cancelled_ = false;
        int count = 0;
        const char* text = el_gets(editor_.get(), &count);
        if (cancelled_) {
            continue;
        }
        if (text == nullptr || count <= 0) {
            print("\n");
            return std::nullopt;
        }
        std::string line(text, static_cast<size_t>(count));
        line.erase(line.find_last_not_of(" \t\r\n") + 1);
        if (!line.empty()) {
            HistEvent event;
            history(history_.get(), &event, H_ENTER, line.c_str());
        }
        return line;
    }
}

}  // namespace dlb
